// SPDX-License-Identifier: Apache-2.0
//
// The fields of a request become the same description that HTTP/1's parser makes of a head. What
// makes a request malformed (RFC 9113, 8.1.1) is answered with 400, as nginx does: a client that
// sees why is helped more than by a reset.
#include <errno.h>
#include <llhttp.h>

#include "lib/base/check.h"
#include "server/http2/http2_priv.h"
#include "server/request/request.h"

#define VERSION " HTTP/2.0"

enum pseudo { PSEUDO_METHOD = 1, PSEUDO_SCHEME = 2, PSEUDO_PATH = 4, PSEUDO_AUTHORITY = 8 };

uint64_t http2_head_max(const struct http2_stream *s)
{
    const struct server_conf *server = s->request->server;

    return (uint64_t)server->large_buffer_count * (uint64_t)server->large_buffer_size;
}

// Room for `more` bytes behind those that are there; afterwards there is a head.
static int grow(struct request *r, size_t more)
{
    size_t need = r->head_len + more, cap = r->head_cap != 0 ? r->head_cap : 256;

    if (need <= r->head_cap && r->head != NULL)
        return 0;
    while (cap < need)
        cap *= 2;
    char *bigger = arena_alloc(&r->arena, cap);
    if (bigger == NULL)
        return -ENOMEM;
    if (r->head_len != 0)
        memcpy(bigger, r->head, r->head_len);
    r->head = bigger;
    r->head_cap = (uint32_t)cap;
    return 0;
}

// Offset of the bytes in the head.
static uint32_t append(struct request *r, struct sv bytes)
{
    uint32_t at = r->head_len;

    if (bytes.n != 0)
        memcpy(r->head + at, bytes.p, bytes.n);
    r->head_len += (uint32_t)bytes.n;
    return at;
}

static void refuse(struct http2_stream *s, const char *why)
{
    if (s->malformed == NULL)
        s->malformed = why;
}

static bool is_method(struct sv m)
{
    for (size_t i = 0; i < m.n; i++) {
        if (!((m.p[i] >= 'A' && m.p[i] <= 'Z') || m.p[i] == '_' || m.p[i] == '-'))
            return false;
    }
    return m.n != 0;
}

// RFC 3986, 3.1.
static bool is_scheme(struct sv t)
{
    for (size_t i = 0; i < t.n; i++) {
        char c = ascii_lower(t.p[i]);
        bool letter = c >= 'a' && c <= 'z';
        bool further = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!letter && (i == 0 || !further))
            return false;
    }
    return t.n != 0;
}

static bool is_path(struct sv t)
{
    for (size_t i = 0; i < t.n; i++) {
        unsigned char c = (unsigned char)t.p[i];
        if (c <= 0x20 || c == 0x7f)
            return false;
    }
    return t.n != 0 && t.p[0] == '/';
}

static void pseudo_field(struct http2_stream *s, struct sv name, struct sv value)
{
    struct request *r = s->request;
    uint8_t which = 0;
    bool good = true;

    if (sv_eq(name, SV(":method"))) {
        which = PSEUDO_METHOD;
        good = is_method(value);
        s->method = append(r, value);
        s->method_len = (uint32_t)value.n;
    } else if (sv_eq(name, SV(":scheme"))) {
        which = PSEUDO_SCHEME;
        good = is_scheme(value);
    } else if (sv_eq(name, SV(":path"))) {
        which = PSEUDO_PATH;
        good = is_path(value);
        s->path = append(r, value);
        s->path_len = (uint32_t)value.n;
    } else if (sv_eq(name, SV(":authority"))) {
        which = PSEUDO_AUTHORITY;
        s->authority = append(r, value);
        s->authority_len = (uint32_t)value.n;
    } else {
        refuse(s, "client sent unknown pseudo-header");
    }
    if (s->regular)
        refuse(s, "client sent a pseudo-header behind regular ones");
    else if (s->pseudo & which)
        refuse(s, "client sent duplicate pseudo-header");
    else if (!good)
        refuse(s, which == PSEUDO_METHOD   ? "client sent invalid method"
                  : which == PSEUDO_SCHEME ? "client sent invalid \":scheme\" header"
                                           : "client sent invalid \":path\" header");
    s->pseudo |= which;
}

// Control bytes, spaces, capitals and colons (RFC 9113, 8.2.1).
static bool is_good_name(struct sv name)
{
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (c <= 0x20 || c >= 0x7f || c == ':' || (c >= 'A' && c <= 'Z'))
            return false;
    }
    return name.n != 0;
}

static bool is_good_value(struct sv value)
{
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '\0' || value.p[i] == '\r' || value.p[i] == '\n')
            return false;
    }
    return true;
}

// Fields about a connection have no place in HTTP/2 (RFC 9113, 8.2.2).
static bool is_out_of_place(struct sv name, struct sv value)
{
    static const struct sv names[] = {
        {"connection", 10}, {"keep-alive", 10}, {"proxy-connection", 16},
        {"transfer-encoding", 17}, {"upgrade", 7},
    };

    for (size_t i = 0; i < array_len(names); i++) {
        if (sv_eq(name, names[i]))
            return true;
    }
    return sv_eq(name, SV("te")) && !sv_eq_nocase(value, SV("trailers"));
}

static void read_length(struct http2_stream *s, struct sv value)
{
    struct http_head *head = &s->request->parsed;
    uint64_t n = 0;

    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9' || n > (UINT64_MAX >> 4) / 10)
            refuse(s, "client sent invalid \"Content-Length\" header");
        n = n * 10 + (uint64_t)(value.p[i] - '0');
    }
    head->has_length = true;
    head->content_length = n;
}

static void regular_field(struct http2_stream *s, struct http_field *f)
{
    struct request *r = s->request;
    struct sv name = sv_of(r->head + f->name, f->name_len);
    struct sv value = sv_of(r->head + f->value, f->value_len);
    struct http_field_rules rules = request_field_rules(r->server);

    s->regular = true;
    if (!is_good_name(name) || !is_good_value(value))
        refuse(s, "client sent invalid header");
    else if (is_out_of_place(name, value))
        refuse(s, "client sent a header about the connection");
    switch (http_head_judge(&r->parsed, r->head, &rules)) {
    case HTTP_FIELD_OK:
        break;
    case HTTP_FIELD_BAD:
        refuse(s, "client sent duplicate or invalid header");
        break;
    case HTTP_FIELD_TOO_MANY:
        s->too_large = true;
        refuse(s, "client sent too many header lines");
        break;
    }
    if (!f->ignored && sv_eq(name, SV("content-length")))
        read_length(s, value);
}

int http2_field(struct http2_stream *s, struct sv name, struct sv value)
{
    struct request *r = s->request;

    if (grow(r, name.n + value.n) != 0)
        return -ENOMEM;
    if (name.n != 0 && name.p[0] == ':') {
        pseudo_field(s, name, value);
        return 0;
    }
    if (s->too_large)
        return 0;
    struct http_field *f = http_head_grow(&r->parsed, &r->arena);
    if (f == NULL)
        return -ENOMEM;
    f->name = append(r, name);
    f->name_len = (uint32_t)name.n;
    f->value = append(r, value);
    f->value_len = (uint32_t)value.n;
    regular_field(s, f);
    return 0;
}

// "GET /path HTTP/2.0", behind the fields: what $request and the phases read.
static int add_line(struct http2_stream *s)
{
    struct request *r = s->request;
    struct http_head *head = &r->parsed;

    if (grow(r, s->method_len + s->path_len + sizeof(" " VERSION)) != 0)
        return -ENOMEM;
    head->method = append(r, sv_of(r->head + s->method, s->method_len));
    head->method_len = s->method_len;
    (void)append(r, SV(" "));
    head->target = append(r, sv_of(r->head + s->path, s->path_len));
    head->target_len = s->path_len;
    (void)append(r, SV(VERSION));
    head->line_len = r->head_len - head->method;
    head->llhttp_method = http_method_number(sv_of(r->head + head->method, head->method_len));
    return 0;
}

// $http_host is there whichever way the host was named.
static int add_host(struct http2_stream *s)
{
    struct request *r = s->request;
    struct sv authority = sv_of(r->head + s->authority, s->authority_len);
    struct sv host = request_header(r, SV("host"));

    if (host.p != NULL) {
        if (!sv_eq(host, authority))
            refuse(s, "client sent \":authority\" and \"Host\" headers with different values");
        return 0;
    }
    if (grow(r, 4) != 0)
        return -ENOMEM;
    struct http_field *f = http_head_grow(&r->parsed, &r->arena);
    if (f == NULL)
        return -ENOMEM;
    *f = (struct http_field){.name = append(r, SV("host")), .name_len = 4,
                             .value = s->authority, .value_len = s->authority_len};
    r->parsed.has_host = true;
    return 0;
}

static void check_whole(struct http2_stream *s)
{
    const struct request *r = s->request;

    if ((s->pseudo & PSEUDO_METHOD) == 0)
        refuse(s, "client sent no :method header");
    else if ((s->pseudo & PSEUDO_SCHEME) == 0)
        refuse(s, "client sent no :scheme header");
    else if ((s->pseudo & PSEUDO_PATH) == 0)
        refuse(s, "client sent no :path header");
    else if (request_header(r, SV("host")).n == 0)
        refuse(s, "client sent neither \":authority\" nor \"Host\" header");
    else if (r->parsed.content_length > 0 && s->ended)
        refuse(s, "client prematurely closed stream");
}

unsigned http2_head_end(struct http2_stream *s, const char **why)
{
    if ((s->pseudo & PSEUDO_AUTHORITY) != 0 && add_host(s) != 0)
        return 500;
    check_whole(s);
    if (add_line(s) != 0)
        return 500;
    *why = s->malformed;
    if (s->too_large)
        return 494;
    return s->malformed != NULL ? 400 : 0;
}
