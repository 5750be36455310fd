// SPDX-License-Identifier: Apache-2.0
//
// charset: names the character set of textual types in Content-Type, and recodes a body whose
// source_charset is another one. Recoding needs the body in memory: one of more than
// BODY_MEMORY_MAX bytes is sent as stored, and named by the set that it has.
#include "server/bounds.h"
#include "server/filters/body_memory.h"
#include "server/filters/charset_conf.h"
#include "server/filters/filters.h"
#include "server/filters/filters_priv.h"
#include "server/request/request.h"

bool type_is_listed(const struct strmap *types, struct sv type)
{
    return strmap_get(types, SV("*")) != NULL || strmap_get(types, type) != NULL;
}

const struct charset_pair *charset_pair_find(const struct charset_pair *pairs, struct sv from,
                                             struct sv to, bool *backward)
{
    for (const struct charset_pair *p = pairs; p != NULL; p = p->next) {
        *backward = sv_eq_nocase(p->second, from) && sv_eq_nocase(p->first, to);
        if (*backward || (sv_eq_nocase(p->first, from) && sv_eq_nocase(p->second, to)))
            return p;
    }
    return NULL;
}

static int recode_body(struct request *r, const struct charset_map *m, bool backward)
{
    struct response *s = &r->response;
    int rc = body_memory(r);

    if (rc != 0)
        return rc;
    struct sv in = sv_of(s->body->p, s->body->len);
    size_t n = charset_recode_length(m, backward, in);
    char *out = arena_alloc(&r->arena, n);
    if (out == NULL)
        return 500;
    charset_recode(m, backward, in, out);
    s->body->p = out;
    s->body->len = n;
    s->content_length = (int64_t)n;
    return 0;
}

static int recode(struct request *r, const struct charset_pair *p, bool backward, struct sv from,
                  struct sv to)
{
    struct response *s = &r->response;
    int rc = 0;

    if (s->content_length > BODY_MEMORY_MAX) {
        s->charset = from;
        return 0;
    }
    if (s->body != NULL)
        rc = recode_body(r, &p->map, backward);
    else if (p->map.utf8 && s->content_length > 0)
        s->content_length = -1; // HEAD: only the body would tell
    if (rc != 0)
        return rc;
    s->charset = to;
    // Offsets into a body whose length changes mean nothing to who has the file (as in nginx).
    if (p->map.utf8)
        r->allow_ranges = false;
    return 0;
}

static bool applies(const struct charset_conf *conf, const struct response *s)
{
    // A browser would take a redirect's set for that of the page it leads to (as in nginx).
    return conf->name != NULL && s->content_type.n != 0 && s->status != 301 && s->status != 302 &&
           type_is_listed(conf->types, s->content_type);
}

int filter_charset(struct request *r)
{
    const struct charset_conf *conf = &r->location->charset;
    struct response *s = &r->response;
    struct sv to, from;
    bool backward;

    if (!applies(conf, s))
        return 0;
    if (request_eval(r, conf->name, &to) != 0)
        return 500;
    if (conf->source == NULL) {
        s->charset = to;
        return 0;
    }
    if (request_eval(r, conf->source, &from) != 0)
        return 500;
    if (sv_eq_nocase(from, to)) {
        s->charset = to;
        return 0;
    }
    if (response_header(s, SV("Content-Encoding")).n != 0)
        return 0;
    const struct charset_pair *p =
        charset_pair_find(r->server->http->charset_pairs, from, to, &backward);
    if (p == NULL) {
        request_log(r, LOG_LEVEL_ERROR, 0,
                    "no \"charset_map\" between the charsets \"%.*s\" and \"%.*s\"", SV_ARG(from),
                    SV_ARG(to));
        return 0;
    }
    return recode(r, p, backward, from, to);
}
