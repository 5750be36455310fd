// SPDX-License-Identifier: Apache-2.0
//
// gzip: compresses textual bodies such as playlists and manifests, for clients that take it. A body
// of more than BODY_GZIP_MAX bytes would stop the worker for too long and is sent as stored.
#include "lib/http/gzip.h"

#define ZLIB_CONST
#include <zlib.h>

#include "lib/base/clock.h"
#include "server/bounds.h"
#include "server/filters/body_memory.h"
#include "server/filters/filters.h"
#include "server/filters/filters_priv.h"
#include "server/filters/gzip_cache.h"
#include "server/filters/gzip_conf.h"
#include "server/request/request.h"
#include "server/worker.h"

static bool is_listed(const struct gzip_conf *conf, struct sv type)
{
    return conf->types != NULL ? type_is_listed(conf->types, type)
                               : sv_eq_nocase(type, SV("text/html"));
}

// Of the answers that Vary speaks for.
static bool applies(const struct request *r, const struct gzip_conf *conf)
{
    const struct response *s = &r->response;

    return conf->on && (s->status == 200 || s->status == 403 || s->status == 404) &&
           (s->body != NULL || r->header_only) && s->content_length >= conf->min_length &&
           is_listed(conf, s->content_type) &&
           response_header(s, SV("Content-Encoding")).n == 0;
}

// Is the word one of the header's directives? ("no-cache, private")
static bool has_directive(struct sv header, struct sv word)
{
    while (header.n != 0) {
        ptrdiff_t at = sv_find(header, ',');
        struct sv part = at < 0 ? header : sv_take(header, (size_t)at);
        if (sv_eq_nocase(sv_trim(part), word))
            return true;
        header = at < 0 ? sv_of(NULL, 0) : sv_skip(header, (size_t)at + 1);
    }
    return false;
}

static bool has_expired(struct sv expires)
{
    int64_t when;

    return http_date_parse(expires, &when) == 0 && when < clock_now()->real_s;
}

static bool may_keep_off_caches(struct sv cache_control, int64_t allowed)
{
    return ((allowed & GZIP_PROXIED_NO_CACHE) && has_directive(cache_control, SV("no-cache"))) ||
           ((allowed & GZIP_PROXIED_NO_STORE) && has_directive(cache_control, SV("no-store"))) ||
           ((allowed & GZIP_PROXIED_PRIVATE) && has_directive(cache_control, SV("private")));
}

// gzip_proxied: a cache on the way may not tell clients apart, so only answers that it will not
// keep are compressed for it.
static bool allowed_by_proxy(const struct request *r, int64_t allowed)
{
    const struct response *s = &r->response;
    struct sv expires = response_header(s, SV("Expires"));
    struct sv cache_control = response_header(s, SV("Cache-Control"));

    if (request_header(r, SV("via")).p == NULL || (allowed & GZIP_PROXIED_ANY))
        return true;
    if (allowed & GZIP_PROXIED_OFF)
        return false;
    if ((allowed & GZIP_PROXIED_AUTH) && request_header(r, SV("authorization")).p != NULL)
        return true;
    if (expires.n != 0)
        return (allowed & GZIP_PROXIED_EXPIRED) && has_expired(expires);
    if (cache_control.n != 0)
        return may_keep_off_caches(cache_control, allowed);
    if ((allowed & GZIP_PROXIED_NO_LAST_MODIFIED) && s->last_modified >= 0)
        return false;
    return !((allowed & GZIP_PROXIED_NO_ETAG) && s->etag.n != 0);
}

static bool is_disabled(const struct request *r, const struct gzip_disable *list)
{
    struct sv agent = list != NULL ? request_header(r, SV("user-agent")) : sv_of(NULL, 0);

    for (; agent.p != NULL && list != NULL; list = list->next) {
        if (regex_exec(list->regex, agent, NULL))
            return true;
    }
    return false;
}

static bool is_wanted(const struct request *r, const struct gzip_conf *conf)
{
    const struct http_head *head = &r->parsed;

    return gzip_accepted(request_header(r, SV("accept-encoding"))) && !head->http_0_9 &&
           head->http_major * 10 + head->http_minor >= conf->http_version &&
           allowed_by_proxy(r, conf->proxied) &&
           !is_disabled(r, conf->disable);
}

// The whole of `in`, in the arena; p == NULL when memory is out.
static struct sv compressed(struct request *r, struct sv in, int level)
{
    z_stream z = {.next_in = (const Bytef *)in.p, .avail_in = (uInt)in.n};
    struct sv out = {NULL, 0};

    if (gzip_open(&z, level, in.n) != 0)
        return out;
    size_t room = deflateBound(&z, in.n);
    char *p = arena_alloc(&r->arena, room);
    z.next_out = (Bytef *)p;
    z.avail_out = (uInt)room;
    if (p != NULL && deflate(&z, Z_FINISH) == Z_STREAM_END)
        out = sv_of(p, room - z.avail_out);
    deflateEnd(&z);
    return out;
}

// The bytes are others than those that the validator was made for (RFC 9110, 8.8.1).
static int weaken_etag(struct request *r)
{
    struct response *s = &r->response;

    if (s->etag.n == 0 || sv_starts(s->etag, SV("W/")))
        return 0;
    s->etag = s->etag.p[0] == '"' ? arena_printf(&r->arena, "W/%.*s", SV_ARG(s->etag)) : SV("");
    return s->etag.p != NULL ? 0 : 500;
}

// Does the body have a version by which it can be found again? One that had to be waited for may
// have been read in parts of different versions.
static bool has_version(const struct request *r, int level, struct gzip_key *key)
{
    const struct slice *b = r->response.body;
    const struct clock_now *now = clock_now();

    return b->file != NULL && b->off == 0 && b->len == b->file->size && r->body_read.p == NULL &&
           gzip_key_make(b->file, level, now->real_s * 1000 + now->real_ms, key);
}

static struct sv take_kept(struct request *r, const struct gzip_key *key)
{
    struct gzip_cache *cache = r->worker->gzip_cache;

    return cache != NULL ? arena_sv(&r->arena, gzip_cache_get(cache, key)) : sv_of(NULL, 0);
}

static void keep(struct worker *w, const struct gzip_key *key, struct sv body)
{
    if (w->gzip_cache == NULL)
        w->gzip_cache = gzip_cache_new(GZIP_CACHE_MAX);
    if (w->gzip_cache != NULL)
        gzip_cache_put(w->gzip_cache, key, body);
}

// The body as compressed bytes. 0, PHASE_WAIT or a status.
static int find_compressed(struct request *r, int level, struct sv *out)
{
    struct response *s = &r->response;
    struct gzip_key key;
    bool keyed = has_version(r, level, &key);

    *out = keyed ? take_kept(r, &key) : sv_of(NULL, 0);
    if (out->p != NULL && out->n != 0)
        return 0;
    int rc = body_memory(r);
    if (rc != 0)
        return rc;
    *out = compressed(r, sv_of(s->body->p, s->body->len), level);
    if (out->p == NULL)
        return 500;
    if (keyed)
        keep(r->worker, &key, *out);
    return 0;
}

static int compress_body(struct request *r, int level)
{
    struct response *s = &r->response;
    struct sv out;
    int rc = find_compressed(r, level, &out);

    if (rc != 0)
        return rc;
    s->gzip_in = s->body->len;
    s->gzip_out = out.n;
    *s->body = (struct slice){.p = out.p, .len = out.n};
    s->content_length = (int64_t)out.n;
    return 0;
}

static int encode(struct request *r, int level)
{
    struct response *s = &r->response;
    int rc = 0;

    if (s->body != NULL)
        rc = compress_body(r, level);
    else
        s->content_length = -1; // HEAD: only the body would tell
    if (rc != 0)
        return rc;
    // Offsets would be those of the compressed bytes, which are made anew each time (as in nginx).
    r->allow_ranges = false;
    if (weaken_etag(r) != 0 || response_add_header(r, SV("Content-Encoding"), SV("gzip")) != 0)
        return 500;
    return 0;
}

int filter_gzip(struct request *r)
{
    const struct gzip_conf *conf = &r->location->gzip;
    int rc = 0;

    if (!applies(r, conf))
        return 0;
    if (r->response.content_length <= BODY_GZIP_MAX && is_wanted(r, conf))
        rc = encode(r, (int)conf->level);
    if (rc == 0 && conf->vary && response_add_header(r, SV("Vary"), SV("Accept-Encoding")) != 0)
        return 500;
    return rc;
}
