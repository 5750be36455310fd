// SPDX-License-Identifier: Apache-2.0
//
// Loading a configuration: parse, apply the tables of directives, settle inheritance, put addresses
// together, check variables. What is loaded is never changed afterwards.
#include "server/config/config.h"

#include <errno.h>
#include <stdlib.h>

#include "server/config/config_priv.h"
#include "server/directives/log_default.h"
#include "server/config/http_conf.h"
#include "server/process/report.h"
#include "server/vars/vars.h"
#include "version.h"

struct load {
    const struct config_source *source;
    struct config *config;
    struct conf_error *error;
    struct loader loader;
    struct block main; // the frame of the top
    struct var_registry no_vars;
    struct conf_apply apply;
};

static void notice(struct conf_apply *ap, const struct conf_node *node,
                   const struct conf_directive *row)
{
    struct loader *loader = ap->program;

    if (loader->source->test)
        report(LOG_LEVEL_NOTICE, 0,
               "\"%s\" directive is accepted and has no effect: %s in %s:%u", row->name,
               row->reason, node->file, node->line);
}

static int begin(struct load *l)
{
    struct config *c = l->config;

    arena_init(&c->arena, NULL);
    list_init(&c->log_files);
    struct sv prefix = arena_sv(&c->arena, sv_from(l->source->prefix));
    if (prefix.p == NULL)
        return -ENOMEM;
    c->prefix = prefix.p;
    conf_unset(&directives_schema, LEVEL_MAIN, &c->main);
    l->loader = (struct loader){.config = c, .source = l->source};
    l->main.frame = (struct conf_frame){.context = CTX_MAIN, .level = {&c->main}};
    l->main.children_tail = &l->main.children;
    l->apply = (struct conf_apply){
        .arena = &c->arena,
        .schema = &directives_schema,
        .frame = &l->main.frame,
        .vars = &l->no_vars,
        .error = l->error,
        .program = &l->loader,
        .notice = notice,
    };
    return var_registry_init(&l->no_vars, &c->arena);
}

// -g comes first, so that a directive of the file is the duplicate.
static int apply_globals(struct load *l, const struct conf_options *o)
{
    struct arena *a = &l->config->arena;
    struct conf_tree tree;

    if (l->source->globals == NULL)
        return 0;
    struct sv text = arena_sv(a, sv_from(l->source->globals));
    if (text.p == NULL)
        return -ENOMEM;
    int rc = conf_parse_text(a, text, "command line", o, &tree, l->error);
    return rc != 0 ? rc : conf_apply_nodes(&l->apply, tree.first);
}

static int read_file(struct load *l)
{
    struct config *c = l->config;
    struct conf_options o = {
        .head = conf_schema_head,
        .ctx = (void *)&directives_schema,
    };

    // Relative includes start from the directory of the configuration file.
    const char *slash = strrchr(l->source->file, '/');
    size_t n = slash != NULL ? (size_t)(slash - l->source->file) + 1 : 0;
    o.prefix = arena_strndup(&c->arena, l->source->file, n);
    if (o.prefix == NULL)
        return -ENOMEM;
    int rc = apply_globals(l, &o);
    if (rc == 0)
        rc = conf_parse_file(&c->arena, l->source->file, &o, &c->tree, l->error);
    return rc != 0 ? rc : conf_apply_nodes(&l->apply, c->tree.first);
}

static int finish_main(struct load *l)
{
    struct config *c = l->config;
    const char *path = l->source->error_log;

    conf_merge(&directives_schema, LEVEL_MAIN, NULL, &c->main);
    if (!c->main.events_seen)
        return conf_fail(l->error, NULL, 0, "no \"events\" section in configuration");
    if (c->main.error_log != NULL)
        return 0;
    return error_log_default(c, sv_from(path != NULL ? path : MILLRACE_ERROR_LOG_PATH));
}

static int finish_http(struct load *l)
{
    struct http_conf *http = l->config->http;

    if (http == NULL)
        return 0;
    int rc = config_merge(l->config, l->loader.http, l->error);
    if (rc == 0)
        rc = config_listen(l->config, l->loader.http, l->error);
    if (rc == 0)
        rc = var_registry_check(&http->vars, l->error);
    http->var_slots = http->vars.slots;
    http->tls_facts_wanted = vars_tls_facts_wanted(&http->vars);
    return rc;
}

int config_load(const struct config_source *source, struct config **out, struct conf_error *error)
{
    struct load l = {.source = source, .error = error};

    error->text[0] = '\0';
    error->err = 0;
    l.config = calloc(1, sizeof(*l.config));
    if (l.config == NULL)
        return -ENOMEM;
    int rc = begin(&l);
    if (rc == 0)
        rc = read_file(&l);
    if (rc == 0)
        rc = finish_http(&l);
    if (rc == 0)
        rc = finish_main(&l);
    if (rc != 0) {
        config_free(l.config);
        return rc;
    }
    *out = l.config;
    return 0;
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    for (struct config_regex *r = c->regexes; r != NULL; r = r->next)
        regex_free(r->regex);
    arena_reset(&c->arena);
    free(c);
}
