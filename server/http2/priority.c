// SPDX-License-Identifier: Apache-2.0
//
// A list of the streams that can send, sorted by rank and, within it, by id or by turn. A stream is
// put in from the back, where it belongs in nearly all cases: ids and turns grow.
#include "server/http2/priority.h"

#include "lib/base/check.h"

// Two for each urgency: one after the other, then in turns. Less is better.
static unsigned rank_of(const struct priority_stream *s)
{
    return s->urgency * 2u + (s->incremental || !s->signalled);
}

#define TREE_RANK (HTTP_URGENCY_DEFAULT * 2u + 1) // of the unsignalled

static bool in_turns(const struct priority_stream *s)
{
    return rank_of(s) % 2 == 1;
}

static struct priority_stream *stream_at(struct list *link)
{
    return container_of(link, struct priority_stream, link);
}

static bool is_ready(const struct priority_stream *s)
{
    return !list_empty(&s->link);
}

static bool before(const struct priority_stream *a, const struct priority_stream *b)
{
    return rank_of(a) != rank_of(b) ? rank_of(a) < rank_of(b) : a->order < b->order;
}

static void insert(struct priority_list *l, struct priority_stream *s)
{
    struct list *at = l->ready.prev;
    s->order = in_turns(s) ? ++l->turn : (uint64_t)s->id;
    while (at != &l->ready && before(s, stream_at(at)))
        at = at->prev;
    list_prepend(at, &s->link);
    l->shared += s->signalled && rank_of(s) == TREE_RANK;
    l->tree_deferred += !s->signalled && s->deferred;
}

void priority_list_init(struct priority_list *l)
{
    *l = (struct priority_list){0};
    list_init(&l->ready);
}

void priority_stream_init(struct priority_stream *s, int32_t id)
{
    *s = (struct priority_stream){.id = id, .urgency = HTTP_URGENCY_DEFAULT};
    list_init(&s->link);
}

void priority_ready(struct priority_list *l, struct priority_stream *s)
{
    if (!is_ready(s))
        insert(l, s);
}

void priority_remove(struct priority_list *l, struct priority_stream *s)
{
    if (!is_ready(s))
        return;
    list_remove(&s->link);
    l->shared -= s->signalled && rank_of(s) == TREE_RANK;
    l->tree_deferred -= !s->signalled && s->deferred;
}

void priority_signal(struct priority_list *l, struct priority_stream *s, struct http_priority p)
{
    check(p.urgency <= HTTP_URGENCY_MAX);
    if (s->signalled && s->urgency == p.urgency && s->incremental == p.incremental)
        return;
    bool ready = is_ready(s);
    priority_remove(l, s);
    s->urgency = p.urgency;
    s->incremental = p.incremental;
    s->signalled = true;
    if (ready)
        insert(l, s);
}

// The tree divides between those that nobody spoke of when they are alone in front.
static bool tree_decides(const struct priority_list *l)
{
    return l->shared == 0 && !list_empty(&l->ready) && !stream_at(l->ready.next)->signalled;
}

bool priority_may_send(struct priority_list *l, struct priority_stream *s)
{
    // nghttp2 does not ask for what it holds as deferred, so it has been resumed, by whomever.
    l->tree_deferred -= is_ready(s) && !s->signalled && s->deferred;
    s->deferred = false;
    priority_ready(l, s);
    if (l->ready.next == &s->link || (!s->signalled && tree_decides(l)))
        return true;
    s->deferred = true;
    l->tree_deferred += !s->signalled;
    return false;
}

void priority_defer(struct priority_list *l, struct priority_stream *s)
{
    priority_remove(l, s);
    s->deferred = true;
}

void priority_sent(struct priority_list *l, struct priority_stream *s)
{
    if (!is_ready(s) || !in_turns(s) || tree_decides(l))
        return;
    priority_remove(l, s);
    insert(l, s);
}

// The first one, or any that nobody spoke of where the tree decides.
static struct priority_stream *next_deferred(struct priority_list *l)
{
    if (list_empty(&l->ready))
        return NULL;
    struct priority_stream *first = stream_at(l->ready.next);
    if (first->deferred || !tree_decides(l) || l->tree_deferred == 0)
        return first->deferred ? first : NULL;
    list_each(it, &l->ready) {
        if (stream_at(it)->deferred)
            return stream_at(it);
    }
    return NULL;
}

struct priority_stream *priority_resume(struct priority_list *l)
{
    struct priority_stream *s = next_deferred(l);
    if (s == NULL)
        return NULL;
    l->tree_deferred -= !s->signalled;
    s->deferred = false;
    return s;
}

bool priority_stalled(struct priority_list *l)
{
    if (list_empty(&l->ready))
        return false;
    priority_remove(l, stream_at(l->ready.next));
    return !list_empty(&l->ready);
}
