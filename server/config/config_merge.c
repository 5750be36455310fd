// SPDX-License-Identifier: Apache-2.0
//
// Inheritance over the blocks that were read. Most of it is in the rows of the tables; here is what
// belongs together in more than one field.
#include <errno.h>

#include "lib/base/check.h"
#include "server/log/access_log.h"
#include "server/config/config_priv.h"
#include "server/directives/log_default.h"
#include "server/directives/types.h"
#include "server/config/location_set.h"

struct merge {
    struct config *config;
    struct conf_error *error;
};

static struct arena *arena_of(const struct merge *m)
{
    return &m->config->arena;
}

static void inherit_root(const struct location_conf *from, struct location_conf *l)
{
    if (l->root != CONF_UNSET_PTR)
        return;
    l->root = from->root;
    l->alias = from->alias;
    l->alias_len = from->alias_len;
    l->root_is_final = from->root_is_final;
}

// The cache is inherited as one; how it is used may differ, and then a policy of its own says so.
static int settle_file_cache(const struct merge *m, struct location_conf *l)
{
    const struct file_cache_policy *old = l->open_file_cache;

    if (old == NULL || (old->valid_s == l->ofc_valid_s && old->min_uses == l->ofc_min_uses &&
                        old->errors == (l->ofc_errors != 0)))
        return 0;
    struct file_cache_policy *p = arena_new(arena_of(m), struct file_cache_policy);
    if (p == NULL)
        return -ENOMEM;
    *p = *old;
    p->valid_s = l->ofc_valid_s;
    p->min_uses = l->ofc_min_uses;
    p->errors = l->ofc_errors != 0;
    l->open_file_cache = p;
    return 0;
}

// What charset and source_charset say of a location must be possible.
static int check_charsets(const struct merge *m, const struct location_conf *l)
{
    const struct template *from = l->charset.source, *to = l->charset.name;
    bool backward;

    if (from == NULL || to == NULL || !from->constant || !to->constant ||
        sv_eq_nocase(from->literal, to->literal) ||
        charset_pair_find(m->config->http->charset_pairs, from->literal, to->literal, &backward))
        return 0;
    return conf_fail(m->error, NULL, 0,
                     "no \"charset_map\" between the charsets \"%.*s\" and \"%.*s\"",
                     SV_ARG(from->literal), SV_ARG(to->literal));
}

static int merge_location(const struct merge *m, const struct location_conf *from,
                          struct location_conf *l)
{
    inherit_root(from, l);
    conf_merge(&directives_schema, LEVEL_LOCATION, from, l);
    int rc = settle_file_cache(m, l);
    return rc != 0 ? rc : check_charsets(m, l);
}

static int default_root(const struct merge *m, struct location_conf *l)
{
    struct var_registry *vars = &m->config->http->vars;

    if (l->root != CONF_UNSET_PTR)
        return 0;
    struct sv html = arena_printf(arena_of(m), "%shtml", m->config->prefix);
    if (html.p == NULL)
        return -ENOMEM;
    return template_compile(vars, html, NULL, &l->root, m->error);
}

static int default_index(const struct merge *m, struct location_conf *l)
{
    struct var_registry *vars = &m->config->http->vars;

    l->index = arena_array(arena_of(m), struct template *, 2);
    if (l->index == NULL)
        return -ENOMEM;
    return template_compile(vars, SV("index.html"), NULL, &l->index[0], m->error);
}

// What nginx has where http says nothing and a null pointer is no answer.
static int merge_http(const struct merge *m, struct location_conf *l)
{
    struct arena *a = arena_of(m);
    int rc = default_root(m, l);

    if (rc == 0 && l->index == CONF_UNSET_PTR)
        rc = default_index(m, l);
    if (rc == 0 && l->types == CONF_UNSET_PTR)
        rc = types_default(a, &l->types);
    if (rc == 0 && l->charset.types == CONF_UNSET_PTR)
        rc = charset_types_default(a, &l->charset.types);
    if (rc == 0 && l->access_logs == CONF_UNSET_PTR)
        rc = access_log_default(m->config, &l->access_logs);
    if (rc != 0)
        return rc;
    conf_merge(&directives_schema, LEVEL_LOCATION, NULL, l);
    rc = settle_file_cache(m, l);
    return rc != 0 ? rc : check_charsets(m, l);
}

static unsigned count_locations(const struct block *b)
{
    unsigned n = 0;

    for (const struct block *c = b->children; c != NULL; c = c->next)
        n += c->frame.context == CTX_LOCATION;
    return n;
}

// The set of locations directly in `b`; left alone when there are none.
static int build_set(const struct merge *m, const struct block *b, struct location_set **out)
{
    unsigned count = count_locations(b), n = 0;

    if (count == 0)
        return 0;
    struct location_conf **all = arena_array(arena_of(m), struct location_conf *, count);
    if (all == NULL)
        return -ENOMEM;
    for (const struct block *c = b->children; c != NULL; c = c->next) {
        if (c->frame.context == CTX_LOCATION)
            all[n++] = c->location;
    }
    return location_set_build(arena_of(m), all, count, out, m->error);
}

static int merge_children(const struct merge *m, struct block *b);

static int merge_child(const struct merge *m, const struct location_conf *outer, struct block *b)
{
    struct location_conf *l = b->location;
    int rc;

    if (b->frame.context == CTX_IF_SERVER) // fills nothing of its own
        return 0;
    rc = merge_location(m, outer, l);
    if (b->frame.context == CTX_IF_LOCATION && l->content == NULL)
        l->content = outer->content;
    if (rc == 0)
        rc = merge_children(m, b);
    return rc != 0 ? rc : build_set(m, b, &l->children);
}

static int merge_children(const struct merge *m, struct block *b)
{
    int rc = 0;

    for (struct block *c = b->children; rc == 0 && c != NULL; c = c->next)
        rc = merge_child(m, b->location, c);
    return rc;
}

static int merge_server(const struct merge *m, const struct block *http, struct block *b)
{
    struct server_conf *s = b->server;

    conf_merge(&directives_schema, LEVEL_SERVER, http->server, s);
    if (s->name.p == NULL)
        s->name = SV("");
    int rc = merge_location(m, http->location, s->location);
    if (rc == 0)
        rc = config_check_tls(m->config->http, s, m->error);
    if (rc == 0)
        rc = merge_children(m, b);
    return rc != 0 ? rc : build_set(m, b, &s->locations);
}

static int list_servers(const struct merge *m, struct block *http)
{
    struct http_conf *h = m->config->http;
    unsigned count = 0;

    for (const struct block *b = http->children; b != NULL; b = b->next)
        count++;
    h->servers = arena_array(arena_of(m), struct server_conf *, count + 1);
    if (h->servers == NULL)
        return -ENOMEM;
    for (struct block *b = http->children; b != NULL; b = b->next)
        h->servers[h->nservers++] = b->server;
    check(h->nservers == count);
    return 0;
}

int config_merge(struct config *c, struct block *http, struct conf_error *error)
{
    struct merge m = {c, error};

    conf_merge(&directives_schema, LEVEL_HTTP, NULL, c->http);
    conf_merge(&directives_schema, LEVEL_SERVER, NULL, http->server);
    int rc = merge_http(&m, http->location);
    if (rc == 0)
        rc = list_servers(&m, http);
    for (struct block *b = http->children; rc == 0 && b != NULL; b = b->next)
        rc = merge_server(&m, http, b);
    return rc;
}
