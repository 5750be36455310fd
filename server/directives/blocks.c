// SPDX-License-Identifier: Apache-2.0
//
// http, server and location: the blocks that structures hang in. What they inherit from each other
// is settled after all has been read (server/config/config_merge.c).
#include "server/log/access_log.h"
#include "server/directives/rows_priv.h"
#include "server/config/http_conf.h"
#include "server/config/location_conf.h"
#include "server/vars/vars.h"

struct block *block_new(struct conf_apply *ap, const struct conf_node *node, uint32_t context)
{
    struct block *outer = block_of(ap), *b = arena_new(ap->arena, struct block);

    if (b == NULL)
        return NULL;
    *b = *outer;
    b->frame.context = context;
    b->node = node;
    b->parent = outer;
    b->program = NULL;
    b->program_home = NULL;
    b->listens = NULL;
    b->children = b->next = NULL;
    b->children_tail = &b->children;
    return b;
}

int block_own_location(struct conf_apply *ap, struct block *b)
{
    struct location_conf *l = arena_new(ap->arena, struct location_conf);

    if (l == NULL)
        return -ENOMEM;
    conf_unset(ap->schema, LEVEL_LOCATION, l);
    l->where = b->node;
    l->server = b->server;
    b->location = l;
    b->frame.level[LEVEL_LOCATION] = l;
    return 0;
}

static int own_server(struct conf_apply *ap, struct block *b)
{
    struct server_conf *s = arena_new(ap->arena, struct server_conf);

    if (s == NULL)
        return -ENOMEM;
    conf_unset(ap->schema, LEVEL_SERVER, s);
    s->where = b->node;
    s->http = b->http;
    b->server = s;
    b->frame.level[LEVEL_SERVER] = s;
    int rc = block_own_location(ap, b);
    if (rc == 0)
        s->location = b->location;
    return rc;
}

int block_read(struct conf_apply *ap, struct block *b)
{
    *b->parent->children_tail = b;
    b->parent->children_tail = &b->next;
    return conf_apply_block(ap, b->node, &b->frame);
}

static int own_http(struct conf_apply *ap, struct block *b)
{
    struct http_conf *http = arena_new(ap->arena, struct http_conf);
    struct config *config = loader_of(ap)->config;

    if (http == NULL)
        return -ENOMEM;
    http->config = config;
    list_init(&http->log_formats);
    conf_unset(ap->schema, LEVEL_HTTP, http);
    config->http = b->http = http;
    b->frame.level[LEVEL_HTTP] = http;
    ap->vars = &http->vars;
    int rc = var_registry_init(&http->vars, ap->arena);
    if (rc == 0)
        rc = vars_register(&http->vars);
    if (rc == 0)
        rc = log_format_combined(http);
    return rc;
}

static int set_http(struct conf_apply *ap, const struct conf_directive *row,
                    const struct conf_node *node, void *field)
{
    struct main_conf *main = &loader_of(ap)->config->main;

    (void)row;
    (void)field;
    if (main->http_seen)
        return fail_duplicate(ap, node);
    main->http_seen = 1;
    struct block *b = block_new(ap, node, CTX_HTTP);
    if (b == NULL)
        return -ENOMEM;
    int rc = own_http(ap, b);
    if (rc == 0)
        rc = own_server(ap, b);
    loader_of(ap)->http = b;
    return rc != 0 ? rc : block_read(ap, b);
}

static int set_server(struct conf_apply *ap, const struct conf_directive *row,
                      const struct conf_node *node, void *field)
{
    struct block *b = block_new(ap, node, CTX_SERVER);

    (void)row;
    (void)field;
    if (b == NULL)
        return -ENOMEM;
    int rc = own_server(ap, b);
    if (rc != 0)
        return rc;
    b->program_home = &b->server->rewrite;
    return block_read(ap, b);
}

// Modifiers as words of their own, and as beginnings of the name.
static const struct modifier {
    const char *text;
    enum location_kind kind;
    bool nocase;
} modifiers[] = {
    {"=", LOC_EXACT, false},
    {"^~", LOC_PREFIX_FINAL, false},
    {"~*", LOC_REGEX, true},
    {"~", LOC_REGEX, false},
};

static const struct modifier *modifier_word(struct sv word)
{
    for (size_t i = 0; i < array_len(modifiers); i++) {
        if (sv_eq(word, sv_from(modifiers[i].text)))
            return &modifiers[i];
    }
    return NULL;
}

static const struct modifier *take_modifier(struct sv word, struct sv *name)
{
    for (size_t i = 0; i < array_len(modifiers); i++) {
        if (take_prefix(word, modifiers[i].text, name))
            return &modifiers[i];
    }
    *name = word;
    return NULL;
}

static int identify(struct conf_apply *ap, const struct conf_node *node, struct location_conf *l)
{
    const struct modifier *m;

    if (node->argc == 3) {
        m = modifier_word(node->argv[1]);
        if (m == NULL)
            return conf_fail(ap->error, node, 0, "invalid location modifier \"%s\"",
                             node->argv[1].p);
        l->name = node->argv[2];
    } else {
        m = take_modifier(node->argv[1], &l->name);
    }
    l->kind = LOC_PREFIX;
    if (m != NULL)
        l->kind = m->kind;
    else if (sv_starts(l->name, SV("@")))
        l->kind = LOC_NAMED;
    if (l->kind != LOC_REGEX)
        return 0;
    return compile_regex(ap, node, l->name, m->nocase, &l->regex, &l->captures);
}

static int check_nesting(struct conf_apply *ap, const struct conf_node *node,
                         const struct location_conf *l, const struct location_conf *outer)
{
    struct conf_error *e = ap->error;

    if (outer->kind == LOC_EXACT)
        return conf_fail(e, node, 0, "location \"%.*s\" cannot be inside the exact location "
                         "\"%.*s\"", SV_ARG(l->name), SV_ARG(outer->name));
    if (outer->kind == LOC_NAMED)
        return conf_fail(e, node, 0, "location \"%.*s\" cannot be inside the named location "
                         "\"%.*s\"", SV_ARG(l->name), SV_ARG(outer->name));
    if (l->kind == LOC_NAMED)
        return conf_fail(e, node, 0, "named location \"%.*s\" can be on the server level only",
                         SV_ARG(l->name));
    if (l->kind != LOC_REGEX && !sv_starts(l->name, outer->name))
        return conf_fail(e, node, 0, "location \"%.*s\" is outside location \"%.*s\"",
                         SV_ARG(l->name), SV_ARG(outer->name));
    return 0;
}

static int set_location(struct conf_apply *ap, const struct conf_directive *row,
                        const struct conf_node *node, void *field)
{
    struct block *outer = block_of(ap), *b = block_new(ap, node, CTX_LOCATION);

    (void)row;
    (void)field;
    int rc = b != NULL ? block_own_location(ap, b) : -ENOMEM;
    if (rc == 0)
        rc = identify(ap, node, b->location);
    if (rc == 0 && outer->frame.context == CTX_LOCATION)
        rc = check_nesting(ap, node, b->location, outer->location);
    if (rc != 0)
        return rc;
    b->program_home = &b->location->rewrite;
    return block_read(ap, b);
}

const struct conf_directive directives_blocks[] = {
    {.name = "http", .contexts = IN_MAIN, .args = CONF_ARGS_0 | CONF_BLOCK, .set = set_http},
    {.name = "server", .contexts = CTX_HTTP, .args = CONF_ARGS_0 | CONF_BLOCK, .set = set_server},
    {.name = "location", .contexts = IN_SL, .args = CONF_ARGS_1 | CONF_ARGS_2 | CONF_BLOCK,
     .set = set_location},
    {.name = NULL},
};
