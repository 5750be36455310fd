// SPDX-License-Identifier: Apache-2.0
//
// Building and searching the table of a `map`, and reading its variable.
#include "server/vars/map.h"

#include <errno.h>

#include "server/request/request.h"
#include "server/vars/vars.h"

int map_init(struct map *m, struct arena *a, unsigned lines)
{
    // ".example.com" takes a place in two tables.
    int rc = strmap_init(&m->exact, a, lines + 1, true);

    if (rc == 0)
        rc = strmap_init(&m->head, a, lines + 1, true);
    if (rc == 0)
        rc = strmap_init(&m->tail, a, lines + 1, true);
    m->regexes = arena_array(a, struct map_regex, lines + 1);
    return rc == 0 && m->regexes == NULL ? -ENOMEM : rc;
}

static bool is_sound(struct sv key)
{
    unsigned stars = 0;

    for (size_t i = 0; i < key.n; i++) {
        stars += key.p[i] == '*';
        if (key.p[i] == '.' && i + 1 < key.n && key.p[i + 1] == '.')
            return false;
    }
    bool edge = key.n > 2 && (sv_starts(key, SV("*.")) || sv_ends(key, SV(".*")));
    return stars == 0 || (stars == 1 && edge);
}

static int add_hostname(struct map *m, struct sv key, struct template *value)
{
    if (!is_sound(key))
        return -EINVAL;
    if (key.n > 1 && key.p[0] == '.') {
        int rc = strmap_put(&m->exact, sv_skip(key, 1), value);
        return rc != 0 ? rc : strmap_put(&m->head, sv_skip(key, 1), value);
    }
    if (sv_starts(key, SV("*.")))
        return strmap_put(&m->head, sv_skip(key, 2), value);
    if (sv_ends(key, SV(".*")))
        return strmap_put(&m->tail, sv_take(key, key.n - 2), value);
    return strmap_put(&m->exact, key, value);
}

int map_add(struct map *m, struct sv key, struct template *value)
{
    return m->hostnames ? add_hostname(m, key, value) : strmap_put(&m->exact, key, value);
}

// Suffixes behind a dot, the longest first.
static const struct template *find_head(const struct map *m, struct sv key)
{
    for (size_t i = 1; i + 1 < key.n; i++) {
        const struct template *t = NULL;
        if (key.p[i] == '.')
            t = strmap_get(&m->head, sv_skip(key, i + 1));
        if (t != NULL)
            return t;
    }
    return NULL;
}

// Prefixes before a dot, the longest first.
static const struct template *find_tail(const struct map *m, struct sv key)
{
    for (size_t i = key.n; i-- > 1;) {
        const struct template *t = NULL;
        if (key.p[i] == '.')
            t = strmap_get(&m->tail, sv_take(key, i));
        if (t != NULL)
            return t;
    }
    return NULL;
}

static const struct template *find_regex(const struct map *m, struct sv key,
                                         const struct map_regex **regex, struct regex_match *match)
{
    for (unsigned i = 0; i < m->nregexes; i++) {
        if (!regex_exec(m->regexes[i].regex, key, match))
            continue;
        *regex = &m->regexes[i];
        return m->regexes[i].value;
    }
    return NULL;
}

const struct template *map_find(const struct map *m, struct sv key,
                                const struct map_regex **regex, struct regex_match *match)
{
    struct sv host = key;

    *regex = NULL;
    if (m->hostnames && host.n != 0 && host.p[host.n - 1] == '.')
        host.n--;
    const struct template *t = strmap_get(&m->exact, host);
    if (t == NULL && m->head.count != 0)
        t = find_head(m, host);
    if (t == NULL && m->tail.count != 0)
        t = find_tail(m, host);
    return t != NULL ? t : find_regex(m, host, regex, match);
}

bool map_get(void *ctx, const struct var *v, struct sv *out)
{
    const struct map *m = (const struct map *)v->data;
    const struct map_regex *regex;
    struct request *r = ctx;
    struct regex_match match;
    struct sv key;

    if (request_eval(r, m->source, &key) != 0)
        return false;
    const struct template *value = map_find(m, key, &regex, &match);
    if (regex != NULL) {
        r->captures = match;
        r->captures_subject = key;
        vars_set_captures(r, regex->regex, regex->captures, &match, key);
    }
    if (value == NULL)
        value = m->fallback;
    *out = SV("");
    return value == NULL || request_eval(r, value, out) == 0;
}
