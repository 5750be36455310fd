// SPDX-License-Identifier: Apache-2.0
//
// The `geo` block: its lines become tables (server/vars/geo_table.h) and its variable's getter.
#include <stdio.h>

#include "server/directives/rows_priv.h"
#include "server/config/http_conf.h"
#include "server/process/report.h"
#include "server/vars/geo.h"

// A block while it is read.
struct geo_reader {
    struct conf_apply *ap;
    struct geo *geo;
    struct geo_pieces *pieces; // of ranges; made by the first, freed with the block
    bool has_networks;
};

// Anywhere in the block, but that `ranges` decides what the other lines mean.
static int take_option(struct geo_reader *rd, const struct conf_node *line, bool *taken)
{
    struct sv word = line->argv[0];

    *taken = true;
    if (line->argc != 1) {
        *taken = false;
    } else if (sv_eq(word, SV("ranges"))) {
        if (rd->has_networks)
            return conf_fail(rd->ap->error, line, 0, "the \"ranges\" directive must be the first "
                             "directive inside \"geo\" block");
        rd->geo->by_ranges = true;
    } else if (sv_eq(word, SV("proxy_recursive"))) {
        rd->geo->proxy_recursive = true;
    } else if (sv_eq(word, SV("volatile"))) {
        rd->geo->is_volatile = true;
    } else {
        *taken = false;
    }
    return 0;
}

// inet_pton(3) takes no zeros in front, and tables that are made by programs often have them.
static int parse_network(struct sv word, struct net_prefix *out, bool *host_bits)
{
    char plain[sizeof("255.255.255.255/128")];
    ptrdiff_t slash = sv_find(word, '/');
    struct sv host = slash >= 0 ? sv_take(word, (size_t)slash) : word;
    uint32_t four;

    if (geo_parse_ipv4(host, &four) != 0)
        return net_prefix_parse(word, out, host_bits);
    int n = snprintf(plain, sizeof(plain), "%u.%u.%u.%u%.*s", four >> 24, four >> 16 & 255,
                     four >> 8 & 255, four & 255, (int)(word.n - host.n), word.p + host.n);
    if (n >= (int)sizeof(plain))
        return -EINVAL;
    return net_prefix_parse(sv_of(plain, (size_t)n), out, host_bits);
}

static int read_prefix(struct geo_reader *rd, const struct conf_node *line, struct sv word,
                       struct net_prefix *out)
{
    bool host_bits = false;

    if (parse_network(word, out, &host_bits) != 0)
        return conf_fail(rd->ap->error, line, 0, "invalid network \"%.*s\"", SV_ARG(word));
    if (host_bits)
        report(LOG_LEVEL_WARN, 0, "low address bits of %.*s are meaningless in %s:%u", SV_ARG(word),
               line->file, line->line);
    return 0;
}

static int add_proxy(struct geo_reader *rd, const struct conf_node *line)
{
    struct geo_proxy *p = arena_new(rd->ap->arena, struct geo_proxy);

    if (p == NULL)
        return -ENOMEM;
    p->next = rd->geo->proxies;
    rd->geo->proxies = p;
    return read_prefix(rd, line, line->argv[1], &p->prefix);
}

// The last line counts, as in nginx.
static void warn_duplicate(const struct conf_node *line, const char *what, const struct sv *old)
{
    report(LOG_LEVEL_WARN, 0, "duplicate %s \"%.*s\", value: \"%.*s\", old value: \"%.*s\" in "
           "%s:%u", what, SV_ARG(line->argv[0]), SV_ARG(line->argv[1]), SV_ARG(*old), line->file,
           line->line);
}

static int put_network(struct geo_reader *rd, const struct conf_node *line,
                       const struct net_prefix *p, const struct sv **old)
{
    return geo_networks_put(&rd->geo->networks, rd->ap->arena, p, &line->argv[1], old);
}

static int set_default_network(struct geo_reader *rd, const struct conf_node *line)
{
    const struct net_prefix four = {.family = AF_INET}, six = {.family = AF_INET6};
    const struct sv *old, *old_six;

    int rc = put_network(rd, line, &four, &old);
    if (rc == 0)
        rc = put_network(rd, line, &six, &old_six);
    if (rc == 0 && old == NULL)
        old = old_six;
    if (rc == 0 && old != NULL)
        warn_duplicate(line, "network", old);
    return rc;
}

static int delete_network(struct geo_reader *rd, const struct conf_node *line)
{
    struct net_prefix p;
    int rc = read_prefix(rd, line, line->argv[1], &p);

    if (rc == 0 && !geo_networks_delete(&rd->geo->networks, &p))
        report(LOG_LEVEL_WARN, 0, "no network \"%.*s\" to delete in %s:%u", SV_ARG(line->argv[1]),
               line->file, line->line);
    return rc;
}

static int add_network(struct geo_reader *rd, const struct conf_node *line)
{
    const struct sv *old;
    struct net_prefix p;

    rd->has_networks = true;
    if (sv_eq(line->argv[0], SV("default")))
        return set_default_network(rd, line);
    if (sv_eq(line->argv[0], SV("delete")))
        return delete_network(rd, line);
    int rc = read_prefix(rd, line, line->argv[0], &p);
    if (rc == 0)
        rc = put_network(rd, line, &p, &old);
    if (rc == 0 && old != NULL)
        warn_duplicate(line, "network", old);
    return rc;
}

// 255.255.255.255 is in no range: it stands for what has no address.
static int read_range(struct geo_reader *rd, const struct conf_node *line, struct sv word,
                      struct geo_range *out)
{
    ptrdiff_t dash = sv_find(word, '-');

    if (dash < 0 || geo_parse_ipv4(sv_take(word, (size_t)dash), &out->first) != 0 ||
        geo_parse_ipv4(sv_skip(word, (size_t)dash + 1), &out->last) != 0 ||
        out->last == INADDR_NONE || out->first > out->last)
        return conf_fail(rd->ap->error, line, 0, "invalid range \"%.*s\"", SV_ARG(word));
    return 0;
}

static int delete_range(struct geo_reader *rd, const struct conf_node *line)
{
    struct geo_range r;
    int rc = read_range(rd, line, line->argv[1], &r);

    if (rc == 0 && !geo_pieces_delete(rd->pieces, r.first, r.last))
        report(LOG_LEVEL_WARN, 0, "no address range \"%.*s\" to delete in %s:%u",
               SV_ARG(line->argv[1]), line->file, line->line);
    return rc;
}

static int fail_overlap(struct geo_reader *rd, const struct conf_node *line,
                        const struct geo_range *o)
{
    return conf_fail(rd->ap->error, line, 0, "range \"%.*s\" overlaps \"%u.%u.%u.%u-%u.%u.%u.%u\"",
                     SV_ARG(line->argv[0]), o->first >> 24, o->first >> 16 & 255,
                     o->first >> 8 & 255, o->first & 255, o->last >> 24, o->last >> 16 & 255,
                     o->last >> 8 & 255, o->last & 255);
}

static int put_range(struct geo_reader *rd, const struct conf_node *line)
{
    struct geo_range r = {.value = &line->argv[1]}, clash;
    int rc = read_range(rd, line, line->argv[0], &r);

    if (rc != 0)
        return rc;
    rc = geo_pieces_put(rd->pieces, &r, &clash);
    if (rc == -EINVAL)
        return fail_overlap(rd, line, &clash);
    if (rc != -EEXIST)
        return rc;
    warn_duplicate(line, "range", clash.value);
    return 0;
}

static int add_range(struct geo_reader *rd, const struct conf_node *line)
{
    if (sv_eq(line->argv[0], SV("default"))) {
        if (rd->geo->fallback != NULL)
            report(LOG_LEVEL_WARN, 0, "duplicate default geo range value: \"%.*s\", old value: "
                   "\"%.*s\" in %s:%u", SV_ARG(line->argv[1]), SV_ARG(*rd->geo->fallback),
                   line->file, line->line);
        rd->geo->fallback = &line->argv[1];
        return 0;
    }
    if (rd->pieces == NULL)
        rd->pieces = geo_pieces_new();
    if (rd->pieces == NULL)
        return -ENOMEM;
    return sv_eq(line->argv[0], SV("delete")) ? delete_range(rd, line) : put_range(rd, line);
}

static int add_line(struct geo_reader *rd, const struct conf_node *line)
{
    bool taken;
    int rc = take_option(rd, line, &taken);

    if (rc != 0 || taken)
        return rc;
    if (line->argc != 2)
        return conf_fail(rd->ap->error, line, 0, "invalid number of the geo parameters");
    if (sv_eq(line->argv[0], SV("proxy")))
        return add_proxy(rd, line);
    return rd->geo->by_ranges ? add_range(rd, line) : add_network(rd, line);
}

static int read_lines(struct conf_apply *ap, const struct conf_node *node, struct geo *g)
{
    struct geo_reader rd = {.ap = ap, .geo = g};
    int rc = 0;

    for (const struct conf_node *c = node->children; rc == 0 && c != NULL; c = c->next)
        rc = add_line(&rd, c);
    if (rc == 0 && rd.pieces != NULL)
        rc = geo_pieces_join(rd.pieces, ap->arena, &g->ranges);
    geo_pieces_free(rd.pieces);
    return rc;
}

static int read_name(struct conf_apply *ap, const struct conf_node *node, struct sv word,
                     struct sv *name)
{
    if (take_prefix(word, "$", name) && name->n != 0)
        return 0;
    return conf_fail(ap->error, node, 0, "invalid variable name \"%.*s\"", SV_ARG(word));
}

static int define_variable(struct conf_apply *ap, const struct conf_node *node, struct sv name,
                           const struct geo *g)
{
    struct var v = {
        .name = name,
        .get = geo_get,
        .data = (uintptr_t)g,
        .flags = VAR_CHANGEABLE | (g->is_volatile ? 0u : (unsigned)VAR_CACHED),
    };
    int rc = var_define(ap->vars, &v, NULL);

    if (rc == -EEXIST)
        return conf_fail(ap->error, node, 0, "the duplicate \"%.*s\" variable", SV_ARG(name));
    return rc;
}

static int refer_to_source(struct conf_apply *ap, const struct conf_node *node, struct geo *g)
{
    struct sv name;
    int rc = read_name(ap, node, node->argv[1], &name);

    if (rc != 0)
        return rc;
    g->source = var_refer(ap->vars, name, node);
    return g->source != NULL ? 0 : -ENOMEM;
}

static int set_geo(struct conf_apply *ap, const struct conf_directive *row,
                   const struct conf_node *node, void *field)
{
    struct geo *g = arena_new(ap->arena, struct geo);
    struct sv name;
    int rc = g != NULL ? 0 : -ENOMEM;

    (void)row;
    (void)field;
    if (rc == 0 && node->argc == 3)
        rc = refer_to_source(ap, node, g);
    if (rc == 0)
        rc = read_name(ap, node, node->argv[node->argc - 1], &name);
    if (rc == 0)
        rc = read_lines(ap, node, g);
    return rc != 0 ? rc : define_variable(ap, node, name, g);
}

const struct conf_directive directives_geo[] = {
    {.name = "geo", .contexts = IN_HTTP, .args = CONF_ARGS_1 | CONF_ARGS_2 | CONF_BLOCK,
     .set = set_geo, .aux = conf_data_block},
    {.name = NULL},
};
