// SPDX-License-Identifier: Apache-2.0
//
// allow and deny, and the one meaning of `satisfy` that there is without passwords.
#include "server/directives/rows_priv.h"
#include "server/config/location_conf.h"
#include "server/process/report.h"

static int read_rule(struct conf_apply *ap, const struct conf_node *node, struct access_rule *rule)
{
    struct sv word = node->argv[1];
    bool host_bits = false;

    rule->all = sv_eq(word, SV("all"));
    rule->unix_socket = sv_eq(word, SV("unix:"));
    if (rule->all || rule->unix_socket)
        return 0;
    if (net_prefix_parse(word, &rule->prefix, &host_bits) != 0)
        return fail_parameter(ap, node, word);
    if (host_bits)
        report(LOG_LEVEL_WARN, 0, "low address bits of %s are meaningless in %s:%u", word.p,
               node->file, node->line);
    return 0;
}

// row->aux is set for deny.
static int set_rule(struct conf_apply *ap, const struct conf_directive *row,
                    const struct conf_node *node, void *field)
{
    struct access_rule **tail = field, *rule = arena_new(ap->arena, struct access_rule);

    if (rule == NULL)
        return -ENOMEM;
    rule->deny = row->aux != NULL;
    if (*tail == CONF_UNSET_PTR)
        *tail = NULL;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = rule;
    return read_rule(ap, node, rule);
}

static int set_satisfy(struct conf_apply *ap, const struct conf_directive *row,
                       const struct conf_node *node, void *field)
{
    (void)row;
    (void)field;
    if (sv_eq_nocase(node->argv[1], SV("all")))
        return 0;
    if (!sv_eq_nocase(node->argv[1], SV("any")))
        return fail_value(ap, node, node->argv[1]);
    return conf_fail(ap->error, node, 0, "\"satisfy any\" is not supported: addresses are the only "
                     "thing that access depends on");
}

const struct conf_directive directives_access[] = {
    {.name = "allow", .contexts = IN_HSL, .args = CONF_ARGS_1, .set = set_rule,
     AT_LOCATION(access_rules), ELSE_NULL},
    {.name = "deny", .contexts = IN_HSL, .args = CONF_ARGS_1, .set = set_rule,
     AT_LOCATION(access_rules), ELSE_NULL, .aux = "deny"},
    {.name = "satisfy", .contexts = IN_HSL, .args = CONF_ARGS_1, .set = set_satisfy},
    {.name = NULL},
};
