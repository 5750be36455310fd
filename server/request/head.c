// SPDX-License-Identifier: Apache-2.0
#include "server/request/head.h"

#include <errno.h>
#include <stdio.h>

#include "lib/base/clock.h"
#include "server/conn/conn.h"
#include "server/request/request.h"
#include "version.h"

struct out {
    char *p, *end;
    bool full;
};

static inline void put(struct out *o, struct sv s)
{
    if (unlikely((size_t)(o->end - o->p) < s.n)) {
        o->full = true;
        return;
    }
    memcpy(o->p, s.p, s.n);
    o->p += s.n;
}

static void put_number(struct out *o, uint64_t n)
{
    char text[SV_DECIMAL_MAX];

    put(o, sv_decimal(text, n));
}

static void put_header(struct out *o, struct sv name, struct sv value)
{
    if (value.n == 0)
        return;
    put(o, name);
    put(o, SV(": "));
    put(o, value);
    put(o, SV("\r\n"));
}

static void put_status(struct out *o, const struct response *s)
{
    struct sv line = s->status == 200 ? SV("200 OK") : status_line(s->status);

    put(o, SV("HTTP/1.1 "));
    if (line.n != 0) {
        put(o, line);
    } else {
        put_number(o, s->status);
        put(o, SV(" "));
    }
}

static void put_server_and_date(struct out *o, const struct request *r)
{
    if (r->location->server_tokens)
        put(o, SV("\r\nServer: millrace/" MILLRACE_VERSION "\r\nDate: "));
    else
        put(o, SV("\r\nServer: millrace\r\nDate: "));
    put(o, sv_of(clock_now()->http_date, HTTP_DATE_LEN));
    put(o, SV("\r\n"));
}

static void put_content(struct out *o, const struct response *s)
{
    if (s->content_type.n != 0 && s->status != 204 && s->status != 304) {
        put(o, SV("Content-Type: "));
        put(o, s->content_type);
        if (s->charset.n != 0) {
            put(o, SV("; charset="));
            put(o, s->charset);
        }
        put(o, SV("\r\n"));
    }
    if (s->content_length >= 0 && s->status != 204 && s->status != 304) {
        put(o, SV("Content-Length: "));
        put_number(o, (uint64_t)s->content_length);
        put(o, SV("\r\n"));
    }
    if (s->last_modified >= 0 && (s->status == 200 || s->status == 206 || s->status == 304)) {
        char date[HTTP_DATE_LEN];
        http_date_format(s->last_modified, date);
        put_header(o, SV("Last-Modified"), sv_of(date, sizeof(date)));
    }
}

static void put_connection(struct out *o, const struct request *r)
{
    if (!r->conn->keep_alive) {
        put(o, SV("Connection: close\r\n"));
        return;
    }
    put(o, SV("Connection: keep-alive\r\n"));
    if (r->location->keepalive_header_s > 0) {
        put(o, SV("Keep-Alive: timeout="));
        put_number(o, (uint64_t)r->location->keepalive_header_s);
        put(o, SV("\r\n"));
    }
}

int head_write(const struct request *r, char *out, size_t room, size_t *n)
{
    const struct response *s = &r->response;
    struct out o = {.p = out, .end = out + room};

    *n = 0;
    if (r->parsed.http_0_9)
        return 0;
    put_status(&o, s);
    put_server_and_date(&o, r);
    put_content(&o, s);
    put_header(&o, SV("Location"), s->location);
    if (s->chunked)
        put(&o, SV("Transfer-Encoding: chunked\r\n"));
    put_connection(&o, r);
    put_header(&o, SV("ETag"), s->etag);
    for (const struct header *h = s->headers; h != NULL; h = h->next)
        put_header(&o, h->name, h->value);
    if (s->accept_ranges)
        put(&o, SV("Accept-Ranges: bytes\r\n"));
    put(&o, SV("\r\n"));
    if (o.full)
        return -ENOSPC;
    *n = (size_t)(o.p - out);
    return 0;
}
