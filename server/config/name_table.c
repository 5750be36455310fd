// SPDX-License-Identifier: Apache-2.0
//
// server_name: exact names first, then the longest wildcard at the head, then the longest at the
// tail, then regular expressions in order, as nginx documents it.
#include <errno.h>

#include "server/config/http_conf.h"
#include "server/config/name_table.h"

// Tries each suffix of the host that begins after a dot: the first is the longest.
static struct server_conf *find_head(const struct name_table *t, struct sv host)
{
    for (size_t i = 0; i + 1 < host.n; i++) {
        if (host.p[i] != '.' || i == 0)
            continue;
        struct server_conf *s = strmap_get(&t->head, sv_skip(host, i + 1));
        if (s != NULL)
            return s;
    }
    return NULL;
}

static struct server_conf *find_tail(const struct name_table *t, struct sv host)
{
    for (size_t i = host.n; i-- > 1;) {
        if (host.p[i] != '.' || i + 1 == host.n)
            continue;
        struct server_conf *s = strmap_get(&t->tail, sv_take(host, i));
        if (s != NULL)
            return s;
    }
    return NULL;
}

static struct server_conf *find_regex(const struct name_table *t, struct sv host,
                                      name_capture_fn capture, void *ctx)
{
    struct regex_match m;

    for (unsigned i = 0; i < t->nregexes; i++) {
        if (!regex_exec(t->regexes[i]->regex, host, &m))
            continue;
        if (capture != NULL)
            capture(ctx, t->regexes[i], &m, host);
        return t->regexes[i]->server;
    }
    return NULL;
}

struct server_conf *name_table_find(const struct name_table *t, struct sv host,
                                    name_capture_fn capture, void *ctx)
{
    struct server_conf *s = NULL;

    if (t->exact.count != 0)
        s = strmap_get(&t->exact, host);
    if (s == NULL && t->head.count != 0)
        s = find_head(t, host);
    if (s == NULL && t->tail.count != 0)
        s = find_tail(t, host);
    if (s == NULL && t->nregexes != 0 && host.n != 0)
        s = find_regex(t, host, capture, ctx);
    return s != NULL ? s : t->fallback;
}

static int put(struct strmap *map, struct sv key, const struct server_name *n, const char *address)
{
    int rc = strmap_put(map, key, n->server);

    if (rc != -EEXIST)
        return rc;
    log_warn(0, "conflicting server name \"%.*s\" on %s, ignored", SV_ARG(n->name), address);
    return 0;
}

int name_table_add(struct name_table *t, struct server_name *n, const char *address)
{
    struct sv name = n->name;

    if (n->regex != NULL) {
        t->regexes[t->nregexes++] = n;
        return 0;
    }
    if (sv_starts(name, SV("*.")))
        return put(&t->head, sv_skip(name, 2), n, address);
    if (sv_ends(name, SV(".*")))
        return put(&t->tail, sv_take(name, name.n - 2), n, address);
    if (name.n > 1 && name.p[0] == '.') {
        int rc = put(&t->exact, sv_skip(name, 1), n, address);
        return rc != 0 ? rc : put(&t->head, sv_skip(name, 1), n, address);
    }
    return put(&t->exact, name, n, address);
}

int name_table_init(struct name_table *t, struct arena *a, unsigned names)
{
    int rc = strmap_init(&t->exact, a, names, false);

    if (rc == 0)
        rc = strmap_init(&t->head, a, names, false);
    if (rc == 0)
        rc = strmap_init(&t->tail, a, names, false);
    t->regexes = arena_array(a, struct server_name *, names + 1);
    return rc == 0 && t->regexes == NULL ? -ENOMEM : rc;
}
