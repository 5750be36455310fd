// SPDX-License-Identifier: Apache-2.0
//
// What a server is called, and how it reads request heads.
#include <unistd.h>

#include "lib/conf/value.h"
#include "server/directives/rows_priv.h"
#include "server/config/http_conf.h"
#include "server/process/report.h"

// What can be seen of a name alone. Other wildcards in wrong places only matter, as in nginx, where
// an address has several servers (server/config/config_listen.c).
static bool is_possible_name(struct sv name)
{
    if (sv_starts(name, SV("*")))
        return name.n >= 3 && name.p[1] == '.';
    return !sv_eq(name, SV("."));
}

static struct server_name *add_name(struct arena *a, struct server_conf *s)
{
    struct server_name *n = arena_new(a, struct server_name);
    struct server_name **grown = arena_array(a, struct server_name *, s->nnames + 1);

    if (n == NULL || grown == NULL)
        return NULL;
    if (s->nnames != 0)
        memcpy(grown, s->names, s->nnames * sizeof(struct server_name *));
    grown[s->nnames++] = n;
    s->names = grown;
    n->server = s;
    return n;
}

static bool has_upper(struct sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] >= 'A' && s.p[i] <= 'Z')
            return true;
    }
    return false;
}

// Hosts are lower case when they are matched, so nginx takes capitals in a pattern as a sign that
// case was not meant to count.
static int set_regex_name(struct conf_apply *ap, const struct conf_node *node, struct sv word,
                          struct server_name *n)
{
    struct sv pattern = sv_skip(word, 1);

    if (pattern.n == 0)
        return conf_fail(ap->error, node, 0, "empty regex in server name \"%.*s\"", SV_ARG(word));
    n->name = word;
    return compile_regex(ap, node, pattern, has_upper(pattern), &n->regex, &n->captures);
}

static struct sv host_name(struct arena *a)
{
    char text[256] = "";

    if (gethostname(text, sizeof(text) - 1) != 0)
        text[0] = '\0';
    return lower_copy(a, sv_from(text));
}

static int set_plain_name(struct conf_apply *ap, const struct conf_node *node, struct sv word,
                          struct server_name *n)
{
    if (sv_find(word, '/') >= 0)
        report(LOG_LEVEL_WARN, 0, "server name \"%.*s\" has suspicious symbols in %s:%u",
               SV_ARG(word), node->file, node->line);
    if (!is_possible_name(word))
        return conf_fail(ap->error, node, 0, "server name \"%.*s\" is invalid", SV_ARG(word));
    n->name = sv_eq_nocase(word, SV("$hostname")) ? host_name(ap->arena)
                                                  : lower_copy(ap->arena, word);
    return n->name.p != NULL ? 0 : -ENOMEM;
}

static int set_name(struct conf_apply *ap, const struct conf_node *node, struct sv word)
{
    struct server_conf *s = block_of(ap)->server;
    struct server_name *n = add_name(ap->arena, s);

    if (n == NULL)
        return -ENOMEM;
    int rc = sv_starts(word, SV("~")) ? set_regex_name(ap, node, word, n)
                                      : set_plain_name(ap, node, word, n);
    if (rc == 0 && s->name.p == NULL)
        s->name = sv_starts(n->name, SV(".")) ? sv_skip(n->name, 1) : n->name;
    return rc;
}

static int set_server_name(struct conf_apply *ap, const struct conf_directive *row,
                           const struct conf_node *node, void *field)
{
    int rc = 0;

    (void)row;
    (void)field;
    for (unsigned i = 1; rc == 0 && i < node->argc; i++)
        rc = set_name(ap, node, node->argv[i]);
    return rc;
}

static int set_large_buffers(struct conf_apply *ap, const struct conf_directive *row,
                             const struct conf_node *node, void *field)
{
    struct server_conf *s = block_of(ap)->server;

    (void)row;
    (void)field;
    if (s->large_buffer_count != CONF_UNSET)
        return fail_duplicate(ap, node);
    if (conf_number(node->argv[1], &s->large_buffer_count) != 0 || s->large_buffer_count == 0 ||
        s->large_buffer_count > 1024 || conf_size(node->argv[2], &s->large_buffer_size) != 0 ||
        s->large_buffer_size == 0 || s->large_buffer_size > 1 << 20)
        return conf_fail(ap->error, node, 0, "\"%s\" directive invalid value", node->argv[0].p);
    return 0;
}

const struct conf_directive directives_server[] = {
    {.name = "server_name", .contexts = CTX_SERVER, .args = CONF_ARGS_1MORE,
     .set = set_server_name},
    {.name = "client_header_timeout", .contexts = IN_HS, .args = CONF_ARGS_1,
     .set = conf_set_msec, AT_SERVER(client_header_timeout), ELSE_INT(60000)},
    {.name = "client_header_buffer_size", .contexts = IN_HS, .args = CONF_ARGS_1,
     .set = conf_set_size, AT_SERVER(client_header_buffer_size), ELSE_INT(1024)},
    {.name = "large_client_header_buffers", .contexts = IN_HS, .args = CONF_ARGS_2,
     .set = set_large_buffers, AT_SERVER(large_buffer_count), ELSE_INT(4)},
    // The second half of the row above: the size.
    {.name = "", .set = set_nothing, AT_SERVER(large_buffer_size), ELSE_INT(8192)},
    {.name = "max_headers", .contexts = IN_HS, .args = CONF_ARGS_1, .set = conf_set_number,
     AT_SERVER(max_headers), ELSE_INT(1000)},
    {.name = "ignore_invalid_headers", .contexts = IN_HS, .args = CONF_ON_OFF,
     .set = conf_set_flag, AT_SERVER(ignore_invalid_headers), ELSE_INT(1)},
    {.name = "underscores_in_headers", .contexts = IN_HS, .args = CONF_ON_OFF,
     .set = conf_set_flag, AT_SERVER(underscores_in_headers), ELSE_INT(0)},
    {.name = "merge_slashes", .contexts = IN_HS, .args = CONF_ON_OFF, .set = conf_set_flag,
     AT_SERVER(merge_slashes), ELSE_INT(1)},
    {.name = NULL},
};
