// SPDX-License-Identifier: Apache-2.0
//
// The described response as fields of HTTP/2, in nginx's order. nghttp2 copies none of them: they
// live as long as the request, but for what is made here, which is put into its arena.
#include <errno.h>
#include <stdio.h>

#include "lib/base/clock.h"
#include "server/http2/http2_priv.h"
#include "server/request/request.h"
#include "version.h"

#define FIELDS_FIXED 12 // those that are not on the list of further ones

struct fields {
    struct request *r;
    nghttp2_nv *at;
    size_t n;
    bool failed;
};

static void put(struct fields *f, struct sv name, struct sv value)
{
    f->at[f->n++] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.p,
        .value = (uint8_t *)(uintptr_t)value.p,
        .namelen = name.n,
        .valuelen = value.n,
        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
    };
}

static void put_nonempty(struct fields *f, struct sv name, struct sv value)
{
    if (value.n != 0)
        put(f, name, value);
}

static void put_made(struct fields *f, struct sv name, struct sv value)
{
    f->failed = f->failed || value.p == NULL;
    put_nonempty(f, name, value);
}

static void put_number(struct fields *f, struct sv name, uint64_t n)
{
    char text[SV_DECIMAL_MAX];

    put_made(f, name, arena_sv(&f->r->arena, sv_decimal(text, n)));
}

static void put_content(struct fields *f)
{
    const struct request *r = f->r;
    const struct response *s = &r->response;
    bool content = s->status != 204 && s->status != 304;

    if (content && s->content_type.n != 0 && s->charset.n == 0)
        put(f, SV("content-type"), s->content_type);
    else if (content && s->content_type.n != 0)
        put_made(f, SV("content-type"),
                 arena_printf(&f->r->arena, "%.*s; charset=%.*s", SV_ARG(s->content_type),
                              SV_ARG(s->charset)));
    if (content && s->content_length >= 0)
        put_number(f, SV("content-length"), (uint64_t)s->content_length);
    if (s->last_modified >= 0 && (s->status == 200 || s->status == 206 || s->status == 304)) {
        char date[HTTP_DATE_LEN];
        http_date_format(s->last_modified, date);
        put_made(f, SV("last-modified"), arena_sv(&f->r->arena, sv_of(date, sizeof(date))));
    }
}

// Names are in lower case (RFC 9113, 8.2.1).
static struct sv lower(struct request *r, struct sv name)
{
    char *p = arena_alloc(&r->arena, name.n);

    if (p == NULL)
        return sv_of(NULL, 0);
    for (size_t i = 0; i < name.n; i++)
        p[i] = ascii_lower(name.p[i]);
    return sv_of(p, name.n);
}

static void put_list(struct fields *f, const struct header *list)
{
    for (const struct header *h = list; h != NULL; h = h->next) {
        struct sv name = lower(f->r, h->name);
        f->failed = f->failed || name.p == NULL;
        if (name.p != NULL)
            put_nonempty(f, name, h->value);
    }
}

static size_t length_of(const struct header *list)
{
    size_t n = 0;

    for (const struct header *h = list; h != NULL; h = h->next)
        n++;
    return n;
}

static void put_head(struct fields *f)
{
    const struct request *r = f->r;
    const struct response *s = &r->response;

    if (s->status == 200)
        put(f, SV(":status"), SV("200"));
    else
        put_made(f, SV(":status"), arena_printf(&f->r->arena, "%03u", s->status));
    put(f, SV("server"),
        r->location->server_tokens ? SV("millrace/" MILLRACE_VERSION) : SV("millrace"));
    put_made(f, SV("date"),
             arena_sv(&f->r->arena, sv_of(clock_now()->http_date, HTTP_DATE_LEN)));
    put_content(f);
    put_nonempty(f, SV("location"), s->location);
    put_nonempty(f, SV("etag"), s->etag);
    put_list(f, s->headers);
    if (s->accept_ranges)
        put(f, SV("accept-ranges"), SV("bytes"));
}

static struct fields fields_for(struct request *r, size_t most)
{
    return (struct fields){.r = r, .at = arena_alloc(&r->arena, most * sizeof(nghttp2_nv))};
}

int http2_trailers_submit(struct http2_stream *s)
{
    struct request *r = s->request;
    struct fields f = fields_for(r, length_of(r->response.trailers));

    if (f.at == NULL)
        return -ENOMEM;
    put_list(&f, r->response.trailers);
    if (f.failed)
        return -ENOMEM;
    return nghttp2_submit_trailer(s->http2->session, s->id, f.at, f.n) == 0 ? 0 : -EIO;
}

// Without a body, nothing stands between the head and the trailers.
static int submit_trailing(struct http2_stream *s, const struct fields *f)
{
    if (nghttp2_submit_headers(s->http2->session, NGHTTP2_FLAG_NONE, s->id, NULL, f->at, f->n,
                               NULL) != 0)
        return -EIO;
    return http2_trailers_submit(s);
}

int http2_head_submit(struct http2_stream *s)
{
    struct request *r = s->request;
    nghttp2_data_provider body = {.source.ptr = s, .read_callback = http2_body_read};
    struct fields f = fields_for(r, FIELDS_FIXED + length_of(r->response.headers));

    if (f.at == NULL)
        return -ENOMEM;
    put_head(&f);
    if (f.failed)
        return -ENOMEM;
    r->response.header_sent = true;
    bool bare = r->response.body == NULL;
    if (bare && r->response.trailers != NULL)
        return submit_trailing(s, &f);
    int rc = nghttp2_submit_response(s->http2->session, s->id, f.at, f.n, bare ? NULL : &body);
    return rc == 0 ? 0 : -EIO;
}
