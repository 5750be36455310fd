// SPDX-License-Identifier: Apache-2.0
#include "server/config/location_set.h"

#include <errno.h>
#include <stdlib.h>

static int compare_names(struct sv a, struct sv b)
{
    size_t n = min_of(a.n, b.n);
    int c = n != 0 ? memcmp(a.p, b.p, n) : 0;

    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

static int compare_locations(const void *a, const void *b)
{
    const struct location_conf *x = *(struct location_conf *const *)a;
    const struct location_conf *y = *(struct location_conf *const *)b;

    return compare_names(x->name, y->name);
}

static int duplicate(struct conf_error *error, const struct location_conf *l)
{
    return conf_fail(error, l->where, 0, "duplicate location \"%.*s\"", SV_ARG(l->name));
}

// The nearest prefix before `i` in sort order that is a true prefix of it: one of the chain of its
// neighbour.
static int find_parent(const struct location_set *s, int i)
{
    int at = i - 1;

    while (at >= 0 && !sv_starts(s->prefixes[i]->name, s->prefixes[at]->name))
        at = s->parent[at];
    return at;
}

static int sort_prefixes(struct location_set *s, struct conf_error *error)
{
    if (s->nprefixes != 0)
        qsort(s->prefixes, s->nprefixes, sizeof(s->prefixes[0]), compare_locations);
    for (unsigned i = 0; i < s->nprefixes; i++) {
        if (i != 0 && sv_eq(s->prefixes[i]->name, s->prefixes[i - 1]->name))
            return duplicate(error, s->prefixes[i]);
        s->parent[i] = find_parent(s, (int)i);
    }
    return 0;
}

static int put(struct strmap *map, struct location_conf *l, struct conf_error *error)
{
    int rc = strmap_put(map, l->name, l);

    return rc == -EEXIST ? duplicate(error, l) : rc;
}

static int place(struct location_set *s, struct location_conf *l, struct conf_error *error)
{
    switch (l->kind) {
    case LOC_PREFIX:
    case LOC_PREFIX_FINAL:
        s->prefixes[s->nprefixes++] = l;
        return 0;
    case LOC_EXACT:
        return put(&s->exact, l, error);
    case LOC_NAMED:
        return put(&s->named, l, error);
    case LOC_REGEX:
        s->regexes[s->nregexes++] = l;
        return 0;
    }
    return -EINVAL;
}

int location_set_build(struct arena *a, struct location_conf *const *all, unsigned count,
                       struct location_set **out, struct conf_error *error)
{
    struct location_set *s = arena_new(a, struct location_set);

    if (s == NULL)
        return -ENOMEM;
    s->prefixes = arena_array(a, struct location_conf *, count);
    s->regexes = arena_array(a, struct location_conf *, count);
    s->parent = arena_array(a, int, count);
    if (s->prefixes == NULL || s->regexes == NULL || s->parent == NULL)
        return -ENOMEM;
    int rc = strmap_init(&s->exact, a, count, false);
    if (rc == 0)
        rc = strmap_init(&s->named, a, count, false);
    for (unsigned i = 0; rc == 0 && i < count; i++)
        rc = place(s, all[i], error);
    if (rc == 0)
        rc = sort_prefixes(s, error);
    if (rc == 0)
        *out = s;
    return rc;
}

// The longest prefix of the path: the last name not greater than it, or one that name begins with.
static int find_prefix(const struct location_set *s, struct sv path)
{
    int low = 0, high = (int)s->nprefixes;

    while (low < high) {
        int middle = low + (high - low) / 2;
        if (compare_names(s->prefixes[middle]->name, path) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    int at = low - 1;
    while (at >= 0 && !sv_starts(path, s->prefixes[at]->name))
        at = s->parent[at];
    return at;
}

// "/dir" where only "/dir/" is a location whose handler wants the slash (proxies): nginx redirects.
static bool wants_slash(const struct location_set *s, struct sv path)
{
    for (unsigned i = 0; i < s->nprefixes; i++) {
        const struct location_conf *l = s->prefixes[i];
        if (l->auto_redirect && l->name.n == path.n + 1 && sv_starts(l->name, path))
            return true;
    }
    return false;
}

static bool find_static(const struct location_set *s, struct sv path, struct location_match *out)
{
    const struct location_conf *exact = strmap_get(&s->exact, path);

    if (exact != NULL) {
        out->location = exact;
        out->exact = true;
        return true;
    }
    int at = find_prefix(s, path);
    if (at >= 0)
        out->location = s->prefixes[at];
    else if (wants_slash(s, path))
        out->auto_redirect = true;
    return at >= 0;
}

static bool find_regex(const struct location_set *s, struct sv path, struct location_match *out)
{
    for (unsigned i = 0; i < s->nregexes; i++) {
        if (!regex_exec(s->regexes[i]->regex, path, &out->m))
            continue;
        out->location = s->regexes[i];
        if (s->regexes[i]->children != NULL)
            location_set_find(s->regexes[i]->children, path, out);
        return true;
    }
    return false;
}

void location_set_find(const struct location_set *set, struct sv path, struct location_match *out)
{
    const struct location_conf *before = out->location;

    if (find_static(set, path, out)) {
        if (out->exact)
            return;
        if (out->location != before && out->location->children != NULL) {
            unsigned matched = out->m.count;
            location_set_find(out->location->children, path, out);
            // An exact one or a regular expression inside ends the search outside, too.
            if (out->exact || out->m.count != matched)
                return;
        }
        if (out->location->kind == LOC_PREFIX_FINAL)
            return;
    }
    (void)find_regex(set, path, out);
}
