// SPDX-License-Identifier: Apache-2.0
//
// How long connections and requests may last, and what is done with those that last too long.
#include "lib/conf/value.h"
#include "server/directives/rows_priv.h"
#include "server/config/location_conf.h"
#include "server/vars/vars.h"

// keepalive_timeout TIME [HEADER_TIME];
static int set_keepalive_timeout(struct conf_apply *ap, const struct conf_directive *row,
                                 const struct conf_node *node, void *field)
{
    struct location_conf *l = block_of(ap)->location;

    (void)row;
    (void)field;
    if (l->keepalive_timeout != CONF_UNSET)
        return fail_duplicate(ap, node);
    if (conf_msec(node->argv[1], &l->keepalive_timeout) != 0 ||
        (node->argc == 3 && conf_sec(node->argv[2], &l->keepalive_header_s) != 0))
        return conf_fail(ap->error, node, 0, "\"keepalive_timeout\" directive invalid value");
    return 0;
}

static const struct conf_enum browsers[] = {
    {"none", 0}, {"msie6", KEEPALIVE_NO_MSIE6}, {"safari", KEEPALIVE_NO_SAFARI}, {NULL, 0},
};

// Words that name bits.
static int set_bits(struct conf_apply *ap, const struct conf_directive *row,
                    const struct conf_node *node, void *field)
{
    int64_t *bits = field, sum = 0;

    if (*bits != CONF_UNSET)
        return fail_duplicate(ap, node);
    for (unsigned i = 1; i < node->argc; i++) {
        const struct conf_enum *e = row->aux;
        while (e->name != NULL && !sv_eq_nocase(node->argv[i], sv_from(e->name)))
            e++;
        if (e->name == NULL)
            return fail_value(ap, node, node->argv[i]);
        sum |= e->value;
    }
    *bits = sum;
    return 0;
}

// A size that may have variables; one without is checked now.
static int set_rate(struct conf_apply *ap, const struct conf_directive *row,
                    const struct conf_node *node, void *field)
{
    int64_t size;

    if (!has_variables(node->argv[1]) && conf_size(node->argv[1], &size) != 0)
        return conf_fail(ap->error, node, 0, "\"%s\" directive invalid value", node->argv[0].p);
    return conf_set_template(ap, row, node, field);
}

static const struct conf_enum lingering[] = {
    {"off", LINGER_OFF}, {"on", LINGER_ON}, {"always", LINGER_ALWAYS}, {NULL, 0},
};

const struct conf_directive directives_connection[] = {
    {.name = "keepalive_timeout", .contexts = IN_HSL, .args = CONF_ARGS_1 | CONF_ARGS_2,
     .set = set_keepalive_timeout, AT_LOCATION(keepalive_timeout), ELSE_INT(75000)},
    // The second half of the row above: what the Keep-Alive header says.
    {.name = "", .set = set_nothing, AT_LOCATION(keepalive_header_s), ELSE_INT(0)},
    {.name = "keepalive_requests", .contexts = IN_HSL, .args = CONF_ARGS_1,
     .set = conf_set_number, AT_LOCATION(keepalive_requests), ELSE_INT(1000)},
    {.name = "keepalive_time", .contexts = IN_HSL, .args = CONF_ARGS_1, .set = conf_set_msec,
     AT_LOCATION(keepalive_time), ELSE_INT(3600000)},
    {.name = "keepalive_min_timeout", .contexts = IN_HSL, .args = CONF_ARGS_1,
     .set = conf_set_msec, AT_LOCATION(keepalive_min_timeout), ELSE_INT(0)},
    {.name = "keepalive_disable", .contexts = IN_HSL, .args = CONF_ARGS_1 | CONF_ARGS_2,
     .set = set_bits, AT_LOCATION(keepalive_disable), ELSE_INT(KEEPALIVE_NO_MSIE6),
     .aux = browsers},
    {.name = "send_timeout", .contexts = IN_HSL, .args = CONF_ARGS_1, .set = conf_set_msec,
     AT_LOCATION(send_timeout), ELSE_INT(60000)},
    {.name = "client_body_timeout", .contexts = IN_HSL, .args = CONF_ARGS_1,
     .set = conf_set_msec, AT_LOCATION(client_body_timeout), ELSE_INT(60000)},
    {.name = "client_max_body_size", .contexts = IN_HSL, .args = CONF_ARGS_1,
     .set = conf_set_offset, AT_LOCATION(client_max_body_size), ELSE_INT(1 << 20)},
    {.name = "lingering_close", .contexts = IN_HSL, .args = CONF_ARGS_1, .set = conf_set_enum,
     AT_LOCATION(lingering_close), ELSE_INT(LINGER_ON), .aux = lingering},
    {.name = "lingering_time", .contexts = IN_HSL, .args = CONF_ARGS_1, .set = conf_set_msec,
     AT_LOCATION(lingering_time), ELSE_INT(30000)},
    {.name = "lingering_timeout", .contexts = IN_HSL, .args = CONF_ARGS_1, .set = conf_set_msec,
     AT_LOCATION(lingering_timeout), ELSE_INT(5000)},
    {.name = "reset_timedout_connection", .contexts = IN_HSL, .args = CONF_ON_OFF,
     .set = conf_set_flag, AT_LOCATION(reset_timedout_connection), ELSE_INT(0)},
    {.name = "tcp_nopush", .contexts = IN_HSL, .args = CONF_ON_OFF, .set = conf_set_flag,
     AT_LOCATION(tcp_nopush), ELSE_INT(0)},
    {.name = "tcp_nodelay", .contexts = IN_HSL, .args = CONF_ON_OFF, .set = conf_set_flag,
     AT_LOCATION(tcp_nodelay), ELSE_INT(1)},
    {.name = "limit_rate", .contexts = IN_HSLI, .args = CONF_ARGS_1, .set = set_rate,
     AT_LOCATION(limit_rate), ELSE_NULL},
    {.name = "limit_rate_after", .contexts = IN_HSLI, .args = CONF_ARGS_1, .set = set_rate,
     AT_LOCATION(limit_rate_after), ELSE_NULL},
    {.name = NULL},
};
