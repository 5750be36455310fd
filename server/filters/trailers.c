// SPDX-License-Identifier: Apache-2.0
//
// add_trailer: fields behind the body. HTTP/2 sends them as they are in the description. HTTP/1.1
// has a place for them only in a chunked body (RFC 9112, 7.1), which here is one chunk: what frames
// it are pieces of memory before and behind the body that was described.
#include "server/filters/filters.h"
#include "server/filters/filters_priv.h"
#include "server/request/request.h"

// Nothing follows a head that has no body behind it.
static bool has_body(const struct request *r)
{
    unsigned status = r->response.status;

    return !r->header_only && !r->response.no_body && status >= 200 && status != 204 &&
           status != 304;
}

// Can trailers be sent at all? HTTP/1.0 has no chunks.
static bool can_follow(const struct request *r)
{
    if (r->parsed.http_major >= 2)
        return true;
    return !r->parsed.http_0_9 && r->parsed.http_major == 1 && r->parsed.http_minor >= 1 &&
           r->location->chunked_transfer_encoding;
}

static bool applies(const struct request *r, const struct header_row *h)
{
    return h->always || status_is_plain(r->response.status);
}

// Does any row speak of this status? Its value may still be empty; nginx decides on chunks before
// it knows the values, which may ask for what was decided ($sent_http_transfer_encoding).
static bool are_expected(const struct request *r)
{
    for (const struct header_row *h = r->location->trailers; h != NULL; h = h->next) {
        if (applies(r, h))
            return true;
    }
    return false;
}

// In order of the file, so that a value may name the trailers before it ($sent_trailer_...).
static int add_rows(struct request *r)
{
    for (const struct header_row *h = r->location->trailers; h != NULL; h = h->next) {
        struct sv value;
        if (!applies(r, h))
            continue;
        if (request_eval(r, h->value, &value) != 0)
            return 500;
        if (value.n != 0 && response_add_trailer(r, h->name, value) != 0)
            return 500;
    }
    return 0;
}

static uint64_t body_length(const struct response *s)
{
    uint64_t n = 0;

    for (const struct slice *b = s->body; b != NULL; b = b->next)
        n += b->len;
    return n;
}

static char *put(char *p, struct sv s)
{
    memcpy(p, s.p, s.n);
    return p + s.n;
}

// The end of the chunk, the last chunk, the trailers.
static struct sv make_tail(struct request *r, bool empty)
{
    struct sv begin = empty ? SV("0\r\n") : SV("\r\n0\r\n");
    size_t n = begin.n + 2;

    for (const struct header *h = r->response.trailers; h != NULL; h = h->next)
        n += h->name.n + h->value.n + 4;
    char *text = arena_alloc(&r->arena, n), *p = text;
    if (text == NULL)
        return sv_of(NULL, 0);
    p = put(p, begin);
    for (const struct header *h = r->response.trailers; h != NULL; h = h->next) {
        p = put(put(p, h->name), SV(": "));
        p = put(put(p, h->value), SV("\r\n"));
    }
    put(p, SV("\r\n"));
    return sv_of(text, n);
}

static int frame(struct request *r)
{
    struct response *s = &r->response;
    struct slice *body = s->body;
    uint64_t length = body_length(s);

    s->body = NULL;
    if (length != 0) {
        struct sv size = arena_printf(&r->arena, "%llx\r\n", (unsigned long long)length);
        if (size.p == NULL || response_add_memory(r, size) != 0)
            return 500;
        s->body->next = body;
    }
    struct sv tail = make_tail(r, length == 0);
    return tail.p != NULL && response_add_memory(r, tail) == 0 ? 0 : 500;
}

int filter_trailers(struct request *r)
{
    struct response *s = &r->response;

    if (!are_expected(r) || !has_body(r) || !can_follow(r))
        return 0;
    s->chunked = r->parsed.http_major < 2;
    if (s->chunked)
        s->content_length = -1;
    int rc = add_rows(r);
    return rc == 0 && s->chunked ? frame(r) : rc;
}
