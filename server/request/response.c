// SPDX-License-Identifier: Apache-2.0
#include "server/request/response.h"

#include <errno.h>

#include "server/request/request.h"

void response_init(struct response *s)
{
    *s = (struct response){.content_length = -1, .last_modified = -1};
}

static int append(struct request *r, struct header **at, struct sv name, struct sv value)
{
    struct header *h = arena_new(&r->arena, struct header);

    if (h == NULL)
        return -ENOMEM;
    h->name = name;
    h->value = value;
    while (*at != NULL)
        at = &(*at)->next;
    *at = h;
    return 0;
}

int response_add_header(struct request *r, struct sv name, struct sv value)
{
    return append(r, &r->response.headers, name, value);
}

int response_add_trailer(struct request *r, struct sv name, struct sv value)
{
    return append(r, &r->response.trailers, name, value);
}

struct sv response_header(const struct response *s, struct sv name)
{
    for (const struct header *h = s->headers; h != NULL; h = h->next) {
        if (sv_eq_nocase(h->name, name))
            return h->value;
    }
    return sv_of(NULL, 0);
}

static int add_slice(struct request *r, const struct slice *proto)
{
    struct slice *s = arena_alloc(&r->arena, sizeof(*s));

    if (s == NULL)
        return -ENOMEM;
    *s = *proto;
    struct slice **at = &r->response.body;
    while (*at != NULL)
        at = &(*at)->next;
    *at = s;
    return 0;
}

int response_add_memory(struct request *r, struct sv bytes)
{
    if (bytes.n == 0)
        return 0;
    return add_slice(r, &(struct slice){.p = bytes.p, .len = bytes.n});
}

int response_add_extent(struct request *r, uint64_t off, uint64_t len)
{
    if (len == 0)
        return 0;
    return add_slice(r, &(struct slice){.file = r->response.file, .off = off, .len = len});
}

struct status_row {
    unsigned status;
    struct sv line;
};

#define ROW(code, text) {code, {#code " " text, sizeof(#code " " text) - 1}}

static const struct status_row status_rows[] = {
    ROW(200, "OK"), ROW(201, "Created"), ROW(202, "Accepted"), ROW(204, "No Content"),
    ROW(206, "Partial Content"), ROW(301, "Moved Permanently"), ROW(302, "Moved Temporarily"),
    ROW(303, "See Other"), ROW(304, "Not Modified"), ROW(307, "Temporary Redirect"),
    ROW(308, "Permanent Redirect"), ROW(400, "Bad Request"), ROW(401, "Unauthorized"),
    ROW(402, "Payment Required"), ROW(403, "Forbidden"), ROW(404, "Not Found"),
    ROW(405, "Not Allowed"), ROW(406, "Not Acceptable"), ROW(408, "Request Time-out"),
    ROW(409, "Conflict"), ROW(410, "Gone"), ROW(411, "Length Required"),
    ROW(412, "Precondition Failed"), ROW(413, "Request Entity Too Large"),
    ROW(414, "Request-URI Too Large"), ROW(415, "Unsupported Media Type"),
    ROW(416, "Requested Range Not Satisfiable"), ROW(421, "Misdirected Request"),
    ROW(425, "Too Early"), ROW(429, "Too Many Requests"), ROW(500, "Internal Server Error"),
    ROW(501, "Not Implemented"), ROW(502, "Bad Gateway"),
    ROW(503, "Service Temporarily Unavailable"),
    ROW(504, "Gateway Time-out"), ROW(505, "HTTP Version Not Supported"),
    ROW(507, "Insufficient Storage"),
};

struct sv status_line(unsigned status)
{
    for (size_t i = 0; i < array_len(status_rows); i++) {
        if (status_rows[i].status == status)
            return status_rows[i].line;
    }
    return sv_of(NULL, 0);
}
