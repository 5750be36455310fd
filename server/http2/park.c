// SPDX-License-Identifier: Apache-2.0
//
// A stream whose answer has not moved for a while may wait for its client for long, and a client
// may have many of them. Then its request is parked: packed into one block of just the size that
// it needs, and taken out again, as it was, when there is something to do. What has become of its
// arena is found by looking at all of its words: when one points there and is not known here, the
// request stays as it is. So a new field can make parking rarer, and cannot make it wrong.
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/sparse.h"
#include "server/bounds.h"
#include "server/http2/http2_priv.h"
#include "server/http2/park.h"
#include "server/request/request.h"
#include "server/worker.h"

// Views of the request that may point into its head, into its arena, or into the request itself.
static const uint16_t views[] = {
#define VIEW(field) offsetof(struct request, field)
    VIEW(method_name), VIEW(request_line), VIEW(target), VIEW(uri.scheme), VIEW(uri.authority),
    VIEW(uri.raw), VIEW(uri.path), VIEW(uri.args), VIEW(path), VIEW(args), VIEW(host),
    VIEW(captures_subject), VIEW(request_id), VIEW(response.status_line),
    VIEW(response.content_type), VIEW(response.charset), VIEW(response.location),
    VIEW(response.etag),
#undef VIEW
};

// Where a view points; then its pointer is an offset there. Two bits of outline.places.
enum place { PLACE_ELSEWHERE, PLACE_HEAD, PLACE_COPY, PLACE_SELF };

struct outline {
    struct open_file *file; // the request's reference
    uint64_t places;        // of `views`
    uint32_t copied;        // bytes of what was copied from the arena
    uint32_t nheaders;
};

struct http2_parked {
    struct outline outline;
    // The request, its fields and its slice, packed; lengths, then bytes of its headers; its head;
    // what was copied.
    uint8_t bytes[];
};

static struct sv *view_of(struct request *r, size_t i)
{
    return (struct sv *)((char *)r + views[i]);
}

static bool is_within(const void *p, const void *from, size_t n)
{
    return (uintptr_t)p - (uintptr_t)from < n;
}

static enum place place_of(const struct request *r, const char *p)
{
    if (is_within(p, r->head, r->head_len))
        return PLACE_HEAD;
    if (is_within(p, r, sizeof(*r)))
        return PLACE_SELF;
    return arena_owns(&r->arena, p) ? PLACE_COPY : PLACE_ELSEWHERE;
}

// What is made from one request: first for its size, then for good.
struct packing {
    const struct request *r;
    struct request bare; // a copy without a pointer into the arena
    struct outline outline;
    uint8_t *out;        // NULL: only counts
    size_t n;
};

static void put(struct packing *p, const void *bytes, size_t n)
{
    if (p->out != NULL && n != 0)
        memcpy(p->out + p->n, bytes, n);
    p->n += n;
}

static void put_sparse(struct packing *p, const void *bytes, size_t n)
{
    p->n += sparse_pack(bytes, n, p->out != NULL ? p->out + p->n : NULL);
}

static void detach_view(struct packing *p, size_t i)
{
    struct sv *v = view_of(&p->bare, i);
    enum place place = v->p != NULL ? place_of(p->r, v->p) : PLACE_ELSEWHERE;
    uintptr_t at = 0;

    if (place != PLACE_ELSEWHERE && v->n == 0) {
        *v = SV("");
        return;
    }
    if (place == PLACE_ELSEWHERE)
        return;
    if (place == PLACE_COPY) {
        at = p->outline.copied;
        p->outline.copied += (uint32_t)v->n;
    } else {
        at = (uintptr_t)v->p - (place == PLACE_HEAD ? (uintptr_t)p->r->head : (uintptr_t)p->r);
    }
    p->outline.places |= (uint64_t)place << (2 * i);
    v->p = (const char *)at;
}

// What unpacking makes anew, and what means nothing any more.
static void clear_known(struct request *bare, const struct request *r)
{
    size_t ngroups = min_of(r->captures.count, (unsigned)REGEX_CAPTURES);

    bare->conn = NULL;
    bare->owner = NULL;
    bare->stream = NULL;
    bare->worker = NULL;
    bare->next_free = NULL;
    bare->magic = 0;
    bare->head = NULL;
    bare->head_cap = r->head_len;
    bare->parsed.fields = NULL;
    bare->parsed.cfields = r->parsed.nfields;
    bare->response.headers = NULL;
    bare->response.body = NULL;
    memset(&bare->arena, 0, sizeof(bare->arena));
    memset(&bare->lookup, 0, sizeof(bare->lookup));
    memset(&bare->fetch, 0, sizeof(bare->fetch));
    memset(&bare->captures.at[ngroups], 0,
           (REGEX_CAPTURES - ngroups) * sizeof(bare->captures.at[0]));
}

// True when nothing of it points into the arena any more, or at itself.
static bool detach(struct packing *p)
{
    const struct request *r = p->r;
    struct request *bare = &p->bare;

    *bare = *r;
    for (size_t i = 0; i < array_len(views); i++)
        detach_view(p, i);
    clear_known(bare, r);
    for (size_t i = 0; i < sizeof(*bare); i += sizeof(void *)) {
        const void *word;
        memcpy(&word, (char *)bare + i, sizeof(word));
        if (arena_owns(&r->arena, word) || is_within(word, r, sizeof(*r)))
            return false;
    }
    return true;
}

static void put_headers(struct packing *p)
{
    p->outline.nheaders = 0;
    for (const struct header *h = p->r->response.headers; h != NULL; h = h->next) {
        uint32_t lengths[] = {(uint32_t)h->name.n, (uint32_t)h->value.n};
        put(p, lengths, sizeof(lengths));
        put(p, h->name.p, h->name.n);
        put(p, h->value.p, h->value.n);
        p->outline.nheaders++;
    }
}

static void put_copies(struct packing *p)
{
    for (size_t i = 0; i < array_len(views); i++) {
        const struct sv *v = view_of((struct request *)(uintptr_t)p->r, i);
        if ((p->outline.places >> (2 * i) & 3) == PLACE_COPY)
            put(p, v->p, v->n);
    }
}

static void put_all(struct packing *p)
{
    const struct request *r = p->r;
    struct slice slice = *r->response.body;

    p->n = 0;
    slice.file = NULL;
    put_sparse(p, &p->bare, sizeof(p->bare));
    put_sparse(p, r->parsed.fields, r->parsed.nfields * sizeof(*r->parsed.fields));
    put_sparse(p, &slice, sizeof(slice));
    put_headers(p);
    put(p, r->head, r->head_len);
    put_copies(p);
}

// Its head is out, and what is left of its body is one part of a file.
static bool may_be_parked(const struct http2_stream *s)
{
    const struct request *r = s->request;

    if (r == NULL || !s->responded || s->closed || s->deferred || s->queued != 0 ||
        s->http2->sending || request_in_flight(r) || r->filter != 0 || r->lookup.file != NULL)
        return false;
    const struct response *out = &r->response;
    return out->header_bytes != 0 && out->trailers == NULL && out->body != NULL &&
           out->body->next == NULL && out->body->file != NULL && out->body->file == out->file;
}

bool http2_stream_park(struct http2_stream *s)
{
    struct request *r = s->request;
    struct packing p = {.r = r};

    if (!may_be_parked(s) || !detach(&p))
        return false;
    put_all(&p);
    struct http2_parked *parked = malloc(sizeof(*parked) + p.n);
    if (parked == NULL)
        return false;
    p.outline.file = r->response.file;
    p.out = parked->bytes;
    put_all(&p);
    parked->outline = p.outline;
    s->parked = parked;
    s->request = NULL;
    request_give(r);
    return true;
}

struct unpacking {
    struct request *r;
    const struct http2_parked *parked;
    size_t at;
    bool failed;
};

static char *take(struct unpacking *u, size_t n)
{
    char *p = arena_alloc(&u->r->arena, n);

    if (p == NULL)
        u->failed = true;
    else if (n != 0)
        memcpy(p, u->parked->bytes + u->at, n);
    u->at += n;
    return p;
}

static void *take_sparse(struct unpacking *u, size_t n)
{
    void *p = arena_alloc(&u->r->arena, n);

    if (p == NULL)
        u->failed = true;
    else
        u->at += sparse_unpack(u->parked->bytes + u->at, p, n);
    return p;
}

static void take_headers(struct unpacking *u)
{
    for (uint32_t i = 0; i < u->parked->outline.nheaders && !u->failed; i++) {
        uint32_t lengths[2];
        memcpy(lengths, u->parked->bytes + u->at, sizeof(lengths));
        u->at += sizeof(lengths);
        const char *name = take(u, lengths[0]), *value = take(u, lengths[1]);
        u->failed = u->failed || response_add_header(u->r, sv_of(name, lengths[0]),
                                                     sv_of(value, lengths[1])) != 0;
    }
}

static void attach_views(struct request *r, const struct http2_parked *parked, const char *copies)
{
    const char *const bases[] = {[PLACE_HEAD] = r->head, [PLACE_COPY] = copies,
                                 [PLACE_SELF] = (const char *)r};

    for (size_t i = 0; i < array_len(views); i++) {
        struct sv *v = view_of(r, i);
        enum place place = (enum place)(parked->outline.places >> (2 * i) & 3);
        if (place != PLACE_ELSEWHERE)
            v->p = bases[place] + (uintptr_t)v->p;
    }
}

// What an empty request of the pool has already stays.
static void take_request(struct unpacking *u, struct http2_stream *s)
{
    struct request *r = u->r, fresh = *r;

    u->at += sparse_unpack(u->parked->bytes, r, sizeof(*r));
    r->magic = fresh.magic;
    r->worker = fresh.worker;
    r->arena = fresh.arena;
    r->fetch = fresh.fetch;
    r->conn = s->http2->conn;
    r->owner = &http2_owner;
    r->stream = s;
}

static int unpack(struct unpacking *u, struct http2_stream *s)
{
    struct request *r = u->r;

    take_request(u, s);
    r->parsed.fields = take_sparse(u, r->parsed.nfields * sizeof(*r->parsed.fields));
    if (!u->failed)
        r->response.body = take_sparse(u, sizeof(struct slice));
    if (!u->failed)
        take_headers(u);
    if (u->failed)
        return -ENOMEM;
    r->response.body->file = r->response.file;
    r->head = take(u, r->head_len);
    const char *copies = take(u, u->parked->outline.copied);
    if (u->failed)
        return -ENOMEM;
    attach_views(r, u->parked, copies);
    return 0;
}

int http2_stream_unpark(struct http2_stream *s)
{
    struct unpacking u = {.parked = s->parked};

    if (s->parked == NULL)
        return 0;
    u.r = request_take(s->http2->conn->worker);
    if (u.r == NULL)
        return -ENOMEM;
    if (unpack(&u, s) != 0) {
        request_give(u.r);
        return -ENOMEM;
    }
    s->request = u.r;
    free(s->parked);
    s->parked = NULL;
    // The timer had no reason to look before send_timeout.
    if (s->wait == WAIT_PROGRESS)
        http2_stream_wait(s, WAIT_PROGRESS, HTTP2_PARK_MS);
    return 0;
}

void http2_stream_drop_parked(struct http2_stream *s)
{
    if (s->parked == NULL)
        return;
    file_put(&s->http2->conn->worker->files, s->parked->outline.file);
    free(s->parked);
    s->parked = NULL;
}
