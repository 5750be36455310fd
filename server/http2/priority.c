// SPDX-License-Identifier: Apache-2.0
//
// A list of the streams that can send, sorted by rank and share and, among equals, by id or by
// turn. A stream is put in from the back, where it belongs in nearly all cases: ids and turns grow.
#include "server/http2/priority.h"

#include "lib/base/check.h"
#include "server/http2/priority_tree.h"

static struct priority_stream *stream_at(struct list *link)
{
    return container_of(link, struct priority_stream, link);
}

// Do equals take turns, or does one go after the other?
static bool in_turns(const struct priority_list *l, const struct priority_stream *s)
{
    return l->mode == PRIORITY_TREE || s->incremental;
}

static void rank(const struct priority_list *l, struct priority_stream *s)
{
    if (l->mode == PRIORITY_TREE) {
        struct priority_place place = priority_tree_place(s->node);
        s->rank = place.depth;
        s->share = place.share;
    } else {
        s->rank = (uint16_t)(s->urgency * 2u + s->incremental);
        s->share = 1;
    }
}

static bool before(const struct priority_stream *a, const struct priority_stream *b)
{
    if (a->rank != b->rank)
        return a->rank < b->rank;
    return a->share != b->share ? a->share > b->share : a->order < b->order;
}

static void insert(struct priority_list *l, struct priority_stream *s)
{
    struct list *at = l->ready.prev;

    rank(l, s);
    s->order = in_turns(l, s) ? ++l->turn : (uint64_t)s->id;
    while (at != &l->ready && before(s, stream_at(at)))
        at = at->prev;
    list_prepend(at, &s->link);
}

// Taken out in their order, equals keep it.
static void settle(struct priority_list *l)
{
    struct list all;

    if (!l->stale)
        return;
    l->stale = false;
    list_init(&all);
    list_splice(&all, &l->ready);
    while (!list_empty(&all)) {
        struct list *link = all.next;
        list_remove(link);
        insert(l, stream_at(link));
    }
}

void priority_list_init(struct priority_list *l)
{
    *l = (struct priority_list){.mode = PRIORITY_SHARED};
    list_init(&l->ready);
}

void priority_stream_init(struct priority_stream *s, int32_t id)
{
    *s = (struct priority_stream){.id = id, .urgency = HTTP_URGENCY_DEFAULT};
    list_init(&s->link);
}

void priority_set_mode(struct priority_list *l, enum priority_mode mode)
{
    l->stale = l->stale || l->mode != mode;
    l->mode = (uint8_t)mode;
}

void priority_tree_changed(struct priority_list *l)
{
    l->stale = true;
}

void priority_ready(struct priority_list *l, struct priority_stream *s)
{
    if (!priority_is_ready(s) && l->mode != PRIORITY_SHARED)
        insert(l, s);
}

void priority_remove(struct priority_stream *s)
{
    list_remove(&s->link);
}

void priority_signal(struct priority_list *l, struct priority_stream *s, struct http_priority p)
{
    check(p.urgency <= HTTP_URGENCY_MAX);
    if (s->urgency == p.urgency && s->incremental == p.incremental)
        return;
    s->urgency = p.urgency;
    s->incremental = p.incremental;
    if (priority_is_ready(s)) {
        priority_remove(s);
        insert(l, s);
    }
}

bool priority_may_send(struct priority_list *l, struct priority_stream *s)
{
    // nghttp2 does not ask for what it holds as deferred, so it has been resumed, by whomever.
    s->deferred = false;
    if (l->mode == PRIORITY_SHARED)
        return true;
    settle(l);
    priority_ready(l, s);
    s->deferred = l->ready.next != &s->link;
    return !s->deferred;
}

void priority_defer(struct priority_stream *s)
{
    priority_remove(s);
    s->deferred = true;
}

// Behind its equals, which are few where most streams wait: looked for from where it stands.
void priority_sent(struct priority_list *l, struct priority_stream *s)
{
    struct list *at = s->link.next;

    if (!priority_is_ready(s) || !in_turns(l, s))
        return;
    list_remove(&s->link);
    s->order = ++l->turn;
    while (at != &l->ready && !before(s, stream_at(at)))
        at = at->next;
    list_append(at, &s->link);
}

struct priority_stream *priority_resume(struct priority_list *l)
{
    settle(l);
    if (list_empty(&l->ready) || !stream_at(l->ready.next)->deferred)
        return NULL;
    struct priority_stream *s = stream_at(l->ready.next);
    s->deferred = false;
    return s;
}

bool priority_stalled(struct priority_list *l)
{
    if (list_empty(&l->ready))
        return false;
    settle(l);
    priority_remove(stream_at(l->ready.next));
    return !list_empty(&l->ready);
}
