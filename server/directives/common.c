// SPDX-License-Identifier: Apache-2.0
//
// What setters of several tables use, and the list of all tables.
#include "server/directives/rows_priv.h"
#include "server/vars/vars.h"

static const struct conf_directive *const tables[] = {
    directives_main,     directives_events,   directives_blocks,     directives_server,
    directives_listen,   directives_files,    directives_connection, directives_types,
    directives_response, directives_redirect, directives_rewrite,    directives_log,
    directives_access,   directives_map,      directives_geo,        directives_ignored,
    directives_rejected, directives_limits,   directives_charset,    directives_gzip,
    directives_ssl,      directives_http2,
};

const struct conf_schema directives_schema = {
    .tables = tables,
    .ntables = array_len(tables),
    .families = directives_families,
};

struct block *block_of(const struct conf_apply *ap)
{
    return container_of(ap->frame, struct block, frame);
}

struct loader *loader_of(const struct conf_apply *ap)
{
    return ap->program;
}

int fail_duplicate(struct conf_apply *ap, const struct conf_node *node)
{
    return conf_fail(ap->error, node, 0, "\"%s\" directive is duplicate", node->argv[0].p);
}

int fail_value(struct conf_apply *ap, const struct conf_node *node, struct sv value)
{
    return conf_fail(ap->error, node, 0, "invalid value \"%.*s\"", SV_ARG(value));
}

int fail_parameter(struct conf_apply *ap, const struct conf_node *node, struct sv value)
{
    return conf_fail(ap->error, node, 0, "invalid parameter \"%.*s\"", SV_ARG(value));
}

int read_words(struct conf_apply *ap, const struct conf_node *node, word_reader *read, void *out,
               bool *off)
{
    *off = false;
    for (unsigned i = 1; i < node->argc; i++) {
        if (sv_eq(node->argv[i], SV("off")))
            *off = true;
        else if (!read(node->argv[i], out))
            return conf_fail(ap->error, node, 0, "invalid \"%s\" parameter \"%s\"",
                             node->argv[0].p, node->argv[i].p);
    }
    return 0;
}

int set_nothing(struct conf_apply *ap, const struct conf_directive *row,
                const struct conf_node *node, void *field)
{
    (void)ap;
    (void)row;
    (void)node;
    (void)field;
    return 0;
}

bool take_prefix(struct sv word, const char *prefix, struct sv *rest)
{
    struct sv p = sv_from(prefix);

    if (!sv_starts(word, p))
        return false;
    *rest = sv_of(word.p + p.n, word.n - p.n);
    return true;
}

bool has_variables(struct sv text)
{
    return sv_find(text, '$') >= 0;
}

struct sv lower_copy(struct arena *a, struct sv s)
{
    char *p = arena_strndup(a, s.p, s.n);

    for (size_t i = 0; p != NULL && i < s.n; i++)
        p[i] = ascii_lower(p[i]);
    return sv_of(p, s.n);
}

static int define_captures(struct conf_apply *ap, const struct conf_node *node,
                           const struct regex *re, const struct var ***out)
{
    const struct var **vars = arena_array(ap->arena, const struct var *, re->nnamed);

    if (vars == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < re->nnamed; i++) {
        vars[i] = vars_define_slot(ap->vars, re->named[i].name, node, ap->error);
        if (vars[i] == NULL)
            return -EINVAL;
    }
    *out = vars;
    return 0;
}

int compile_regex(struct conf_apply *ap, const struct conf_node *node, struct sv pattern,
                  bool nocase, struct regex **out, const struct var ***captures)
{
    struct config *config = loader_of(ap)->config;
    struct config_regex *kept = arena_new(ap->arena, struct config_regex);
    char why[256];

    *captures = NULL;
    if (kept == NULL)
        return -ENOMEM;
    int rc = regex_compile(ap->arena, pattern, nocase, out, why, sizeof(why));
    if (rc == -EINVAL)
        return conf_fail(ap->error, node, 0, "%s", why);
    if (rc != 0)
        return rc;
    kept->regex = *out;
    kept->next = config->regexes;
    config->regexes = kept;
    return (*out)->nnamed != 0 ? define_captures(ap, node, *out, captures) : 0;
}
