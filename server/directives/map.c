// SPDX-License-Identifier: Apache-2.0
//
// The `map` block: its lines become a table (server/vars/map.h) and its variable's getter.
#include "server/vars/map.h"
#include "server/directives/rows_priv.h"
#include "server/config/http_conf.h"

static unsigned count_lines(const struct conf_node *block)
{
    unsigned n = 0;

    for (const struct conf_node *c = block->children; c != NULL; c = c->next)
        n++;
    return n;
}

// hostnames, volatile: anywhere in the block, before its keys are looked at.
static bool take_option(const struct conf_node *line, struct map *m)
{
    if (line->argc != 1)
        return false;
    if (sv_eq(line->argv[0], SV("hostnames")))
        m->hostnames = true;
    else if (sv_eq(line->argv[0], SV("volatile")))
        m->is_volatile = true;
    else
        return false;
    return true;
}

static int add_regex(struct conf_apply *ap, const struct conf_node *line, struct map *m,
                     struct template *value)
{
    struct map_regex *re = &m->regexes[m->nregexes];
    struct sv pattern = line->argv[0];
    bool nocase = sv_starts(pattern, SV("~*"));

    pattern = sv_of(pattern.p + 1 + nocase, pattern.n - 1 - nocase);
    int rc = compile_regex(ap, line, pattern, nocase, &re->regex, &re->captures);
    if (rc != 0)
        return rc;
    re->value = value;
    m->nregexes++;
    return 0;
}

static int add_default(struct conf_apply *ap, const struct conf_node *line, struct map *m,
                       struct template *value)
{
    if (m->fallback != NULL)
        return conf_fail(ap->error, line, 0, "duplicate default map parameter");
    m->fallback = value;
    return 0;
}

static int add_key(struct conf_apply *ap, const struct conf_node *line, struct map *m,
                   struct sv key, struct template *value)
{
    int rc = map_add(m, key, value);

    if (rc == -EEXIST)
        return conf_fail(ap->error, line, 0, "conflicting parameter \"%.*s\"", SV_ARG(key));
    if (rc == -EINVAL)
        return conf_fail(ap->error, line, 0, "invalid hostname or wildcard \"%.*s\"", SV_ARG(key));
    return rc;
}

static int add_line(struct conf_apply *ap, const struct conf_node *line, struct map *m)
{
    struct sv key = line->argv[0];
    struct template *value;

    if (take_option(line, m))
        return 0;
    if (line->argc != 2)
        return conf_fail(ap->error, line, 0, "invalid number of the map parameters");
    int rc = template_compile(ap->vars, line->argv[1], line, &value, ap->error);
    if (rc != 0)
        return rc;
    if (sv_eq(key, SV("default")))
        return add_default(ap, line, m, value);
    if (key.n != 0 && key.p[0] == '~')
        return add_regex(ap, line, m, value);
    // A backslash makes an ordinary key of what would mean something else.
    if (key.n != 0 && key.p[0] == '\\')
        key = sv_of(key.p + 1, key.n - 1);
    return add_key(ap, line, m, key, value);
}

static int define_variable(struct conf_apply *ap, const struct conf_node *node, struct sv name,
                           const struct map *m)
{
    struct var v = {
        .name = name,
        .get = map_get,
        .data = (uintptr_t)m,
        .flags = VAR_CHANGEABLE | (m->is_volatile ? 0u : (unsigned)VAR_CACHED),
    };
    int rc = var_define(ap->vars, &v, NULL);

    if (rc == -EEXIST)
        return conf_fail(ap->error, node, 0, "the duplicate \"%.*s\" variable", SV_ARG(name));
    return rc;
}

static int set_map(struct conf_apply *ap, const struct conf_directive *row,
                   const struct conf_node *node, void *field)
{
    struct map *m = arena_new(ap->arena, struct map);
    struct sv name;

    (void)row;
    (void)field;
    if (m == NULL || map_init(m, ap->arena, count_lines(node)) != 0)
        return -ENOMEM;
    int rc = template_compile(ap->vars, node->argv[1], node, &m->source, ap->error);
    if (rc != 0)
        return rc;
    if (!take_prefix(node->argv[2], "$", &name) || name.n == 0)
        return conf_fail(ap->error, node, 0, "invalid variable name \"%s\"", node->argv[2].p);
    for (const struct conf_node *c = node->children; rc == 0 && c != NULL; c = c->next)
        rc = add_line(ap, c, m);
    return rc != 0 ? rc : define_variable(ap, node, name, m);
}

const struct conf_directive directives_map[] = {
    {.name = "map", .contexts = IN_HTTP, .args = CONF_ARGS_2 | CONF_BLOCK, .set = set_map,
     .aux = conf_data_block},
    {.name = NULL},
};
