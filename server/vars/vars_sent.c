// SPDX-License-Identifier: Apache-2.0
//
// Variables of the response's headers and trailers, as they will be written.
#include "lib/base/clock.h"
#include "server/conn/conn.h"
#include "server/vars/vars_priv.h"

// The next of that name with a value; what has none is not sent.
static const struct header *next_named(const struct header *h, struct sv suffix)
{
    while (h != NULL && (h->value.n == 0 || !vars_name_matches(h->name, suffix)))
        h = h->next;
    return h;
}

// Further fields of one name are one value (RFC 9110, 5.3).
static bool join(struct request *r, const struct header *list, struct sv suffix, struct sv *out)
{
    const struct header *first = next_named(list, suffix);
    size_t n = 0;

    if (first == NULL)
        return false;
    *out = first->value;
    if (next_named(first->next, suffix) == NULL)
        return true;
    for (const struct header *h = first; h != NULL; h = next_named(h->next, suffix))
        n += h->value.n + 2;
    char *p = arena_alloc(&r->arena, n), *end = p;
    if (p == NULL)
        return false;
    for (const struct header *h = first; h != NULL; h = next_named(h->next, suffix)) {
        if (end != p) {
            *end++ = ',';
            *end++ = ' ';
        }
        memcpy(end, h->value.p, h->value.n);
        end += h->value.n;
    }
    *out = sv_of(p, (size_t)(end - p));
    return true;
}

static bool join_headers(struct request *r, struct sv suffix, struct sv *out)
{
    return join(r, r->response.headers, suffix, out);
}

static bool get_sent(void *ctx, const struct var *v, struct sv *out)
{
    return join_headers(ctx, v->suffix, out);
}

static bool get_sent_trailer(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;

    return join(r, r->response.trailers, v->suffix, out);
}

static bool has_content(const struct response *s)
{
    return s->status != 204 && s->status != 304;
}

static bool get_content_type(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;
    const struct response *s = &r->response;

    (void)v;
    if (s->content_type.n == 0 || !has_content(s))
        return join_headers(r, SV("content_type"), out);
    *out = s->content_type;
    if (s->charset.n != 0)
        *out = arena_printf(&r->arena, "%.*s; charset=%.*s", SV_ARG(s->content_type),
                            SV_ARG(s->charset));
    return out->p != NULL;
}

static bool get_content_length(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;
    const struct response *s = &r->response;

    (void)v;
    if (s->content_length < 0 || !has_content(s))
        return join_headers(r, SV("content_length"), out);
    return vars_number(r, (uint64_t)s->content_length, 1, out);
}

static bool get_location(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;

    (void)v;
    *out = r->response.location;
    return out->n != 0 || join_headers(r, SV("location"), out);
}

static bool get_etag(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;

    (void)v;
    *out = r->response.etag;
    return out->n != 0 || join_headers(r, SV("etag"), out);
}

static bool get_last_modified(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;
    const struct response *s = &r->response;
    char date[HTTP_DATE_LEN];

    (void)v;
    if (s->last_modified < 0 || s->status == 204)
        return join_headers(r, SV("last_modified"), out);
    http_date_format(s->last_modified, date);
    return vars_copy(r, sv_of(date, sizeof(date)), out);
}

// The connection's word counts once the head has been written; before that, the request's.
static bool keeps_alive(const struct request *r)
{
    return r->response.header_sent ? r->conn->keep_alive : r->keep_alive && !r->conn->draining;
}

static bool get_connection(void *ctx, const struct var *v, struct sv *out)
{
    (void)v;
    *out = keeps_alive(ctx) ? SV("keep-alive") : SV("close");
    return true;
}

static bool get_keep_alive(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;
    int64_t seconds = r->location->keepalive_header_s;

    (void)v;
    if (!keeps_alive(r) || seconds <= 0)
        return false;
    *out = arena_printf(&r->arena, "timeout=%lld", (long long)seconds);
    return out->p != NULL;
}

static bool get_accept_ranges(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;

    (void)v;
    *out = SV("bytes");
    return r->response.accept_ranges || join_headers(r, SV("accept_ranges"), out);
}

static bool get_transfer_encoding(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;

    (void)v;
    *out = SV("chunked");
    return r->response.chunked || join_headers(r, SV("transfer_encoding"), out);
}

// Rounded to hundredths.
static bool get_gzip_ratio(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;
    const struct response *s = &r->response;

    (void)v;
    if (s->gzip_out == 0)
        return false;
    uint64_t hundredths = (s->gzip_in * 1000 / s->gzip_out + 5) / 10;
    *out = arena_printf(&r->arena, "%llu.%02u", (unsigned long long)(hundredths / 100),
                        (unsigned)(hundredths % 100));
    return out->p != NULL;
}

static const struct var_row rows[] = {
    {"sent_http_content_type", get_content_type, 0, 0, NULL},
    {"sent_http_content_length", get_content_length, 0, 0, NULL},
    {"sent_http_location", get_location, 0, 0, NULL},
    {"sent_http_etag", get_etag, 0, 0, NULL},
    {"sent_http_last_modified", get_last_modified, 0, 0, NULL},
    {"sent_http_connection", get_connection, 0, 0, NULL},
    {"sent_http_keep_alive", get_keep_alive, 0, 0, NULL},
    {"sent_http_accept_ranges", get_accept_ranges, 0, 0, NULL},
    {"sent_http_transfer_encoding", get_transfer_encoding, 0, 0, NULL},
    {"gzip_ratio", get_gzip_ratio, 0, 0, NULL},
    {"sent_http_", get_sent, 0, VAR_PREFIX, NULL},
    {"sent_trailer_", get_sent_trailer, 0, VAR_PREFIX, NULL},
};

const struct var_table vars_sent_table = {rows, array_len(rows)};
