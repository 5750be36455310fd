// SPDX-License-Identifier: Apache-2.0
//
// Range requests (RFC 9110, 14): one range narrows the extent, several make a multipart/byteranges
// body, one that cannot be satisfied becomes 416.
#include "lib/http/range.h"

#include <sys/random.h>

#include "server/filters/filters.h"
#include "server/filters/filters_priv.h"
#include "server/conn/conn.h"
#include "server/request/request.h"
#include "server/worker.h"

static int add_content_range(struct request *r, struct range range, uint64_t size)
{
    struct sv value =
        arena_printf(&r->arena, "bytes %llu-%llu/%llu", (unsigned long long)range.start,
                     (unsigned long long)range.end - 1, (unsigned long long)size);

    if (value.p == NULL)
        return 500;
    return response_add_header(r, SV("Content-Range"), value) == 0 ? 0 : 500;
}

// The body before was one slice: a file's extent or a piece of memory.
static int add_part(struct request *r, const struct slice *whole, struct range range)
{
    if (whole == NULL)
        return 0;
    if (whole->file != NULL)
        return response_add_extent(r, whole->off + range.start, range.end - range.start);
    return response_add_memory(r, sv_of(whole->p + range.start, range.end - range.start));
}

static int single(struct request *r, struct range range, uint64_t size)
{
    struct response *s = &r->response;
    const struct slice *whole = s->body;

    s->content_length = (int64_t)(range.end - range.start);
    s->body = NULL;
    if (add_part(r, whole, range) != 0)
        return 500;
    return add_content_range(r, range, size);
}

static struct sv make_boundary(struct request *r)
{
    uint64_t number = 0;

    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
        number = r->start_ms * 2654435761u + r->conn->number;
    return arena_printf(&r->arena, "%020llu", (unsigned long long)number);
}

// The Content-Type line of each part; empty when there is no type.
static struct sv part_type(struct request *r)
{
    const struct response *s = &r->response;

    if (s->content_type.n == 0)
        return sv_of("", 0);
    return arena_printf(&r->arena, "Content-Type: %.*s%s%.*s\r\n", SV_ARG(s->content_type),
                        s->charset.n != 0 ? "; charset=" : "", SV_ARG(s->charset));
}

static int multipart(struct request *r, const struct range *ranges, size_t count, uint64_t size)
{
    struct response *s = &r->response;
    const struct slice *whole = s->body;
    struct sv boundary = make_boundary(r);
    struct sv type = part_type(r);
    uint64_t length = 0;
    int rc = 0;

    if (type.p == NULL)
        return 500;
    s->body = NULL;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct sv head = arena_printf(
            &r->arena, "\r\n--%.*s\r\n%.*sContent-Range: bytes %llu-%llu/%llu\r\n\r\n",
            SV_ARG(boundary), SV_ARG(type), (unsigned long long)ranges[i].start,
            (unsigned long long)ranges[i].end - 1, (unsigned long long)size);
        length += head.n + (ranges[i].end - ranges[i].start);
        if (head.p == NULL)
            return 500;
        if (whole != NULL)
            rc = response_add_memory(r, head) != 0 || add_part(r, whole, ranges[i]) != 0;
    }
    struct sv tail = arena_printf(&r->arena, "\r\n--%.*s--\r\n", SV_ARG(boundary));
    if (rc != 0 || tail.p == NULL || (whole != NULL && response_add_memory(r, tail) != 0))
        return 500;
    s->content_length = (int64_t)(length + tail.n);
    s->content_type =
        arena_printf(&r->arena, "multipart/byteranges; boundary=%.*s", SV_ARG(boundary));
    s->charset = sv_of(NULL, 0);
    return s->content_type.p != NULL ? 0 : 500;
}

static int unsatisfiable(struct request *r, uint64_t size)
{
    struct sv value = arena_printf(&r->arena, "bytes */%llu", (unsigned long long)size);

    if (value.p == NULL || response_add_header(r, SV("Content-Range"), value) != 0)
        return 500;
    return 416;
}

static bool wanted(const struct request *r, struct sv range)
{
    struct cond_headers h;
    struct cond_validators v;

    if (range.p == NULL)
        return false;
    read_conditions(r, &h, &v);
    return cond_if_range(&h, &v);
}

int filter_range(struct request *r)
{
    struct response *s = &r->response;
    struct range *ranges;
    size_t count;

    if (!r->allow_ranges || s->status != 200 || s->content_length < 0 || r->parsed.http_0_9 ||
        r->location->max_ranges == 0)
        return 0;
    struct sv header = request_header(r, SV("range"));
    uint64_t size = (uint64_t)s->content_length;
    if (!wanted(r, header)) {
        s->accept_ranges = true;
        return 0;
    }
    uint64_t most = (uint64_t)r->location->max_ranges;
    switch (range_parse(header, size, most, &r->arena, &ranges, &count)) {
    case RANGE_IGNORE:
        s->accept_ranges = true;
        return 0;
    case RANGE_UNSATISFIABLE:
        return unsatisfiable(r, size);
    case RANGE_PARTIAL:
        s->status = 206;
        return count == 1 ? single(r, ranges[0], size) : multipart(r, ranges, count, size);
    default:
        return 500;
    }
}
