// SPDX-License-Identifier: Apache-2.0
//
// limit_req*, limit_conn* and their zones. The same zone may be named before it is declared, so
// what is missing is only seen when the zones are opened.
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/conf/value.h"
#include "server/directives/rows_priv.h"
#include "server/config/http_conf.h"
#include "server/limits/zone.h"
#include "server/config/location_conf.h"

#define MILLI 1000

// NULL: used for something else, or memory is out (then the error is empty).
static struct limit_zone *refer(struct conf_apply *ap, const struct conf_node *node, struct sv name,
                                enum limit_kind kind)
{
    struct limit_zone **at = &block_of(ap)->http->limit_zones;

    for (; *at != NULL; at = &(*at)->next) {
        if (!sv_eq((*at)->name, name))
            continue;
        if ((*at)->kind == kind)
            return *at;
        conf_fail(ap->error, node, 0,
                  "the shared memory zone \"%.*s\" is already declared for a different use",
                  SV_ARG(name));
        return NULL;
    }
    *at = arena_new(ap->arena, struct limit_zone);
    if (*at != NULL) {
        (*at)->name = name;
        (*at)->kind = kind;
    } else {
        conf_fail(ap->error, node, ENOMEM, "the shared memory zone \"%.*s\"", SV_ARG(name));
    }
    return *at;
}

// What a zone directive says.
struct declaration {
    struct template *key;
    struct sv name;
    int64_t size;
    int64_t rate; // thousandths of a request in a second
};

static int read_zone(struct conf_apply *ap, const struct conf_node *node, struct sv word,
                     struct sv value, struct declaration *d)
{
    ptrdiff_t colon = sv_find(value, ':');

    if (colon < 0 || conf_size(sv_skip(value, (size_t)colon + 1), &d->size) != 0)
        return conf_fail(ap->error, node, 0, "invalid zone size \"%.*s\"", SV_ARG(word));
    if (d->size < LIMIT_ZONE_PAGES_MIN * sysconf(_SC_PAGESIZE))
        return conf_fail(ap->error, node, 0, "zone \"%.*s\" is too small", SV_ARG(word));
    d->name = sv_take(value, (size_t)colon);
    return 0;
}

static int read_rate(struct conf_apply *ap, const struct conf_node *node, struct sv word,
                     struct sv value, struct declaration *d)
{
    int64_t scale = sv_ends(value, SV("r/m")) ? 60 : 1, rate;

    if (sv_ends(value, SV("r/s")) || sv_ends(value, SV("r/m")))
        value = sv_take(value, value.n - 3);
    if (conf_number(value, &rate) != 0 || rate == 0 || rate > INT64_MAX / MILLI)
        return conf_fail(ap->error, node, 0, "invalid rate \"%.*s\"", SV_ARG(word));
    d->rate = rate * MILLI / scale;
    return 0;
}

static int declare(struct conf_apply *ap, const struct conf_node *node, enum limit_kind kind,
                   const struct declaration *d)
{
    if (d->name.n == 0)
        return conf_fail(ap->error, node, 0, "\"%s\" must have \"zone\" parameter",
                         node->argv[0].p);
    struct limit_zone *z = refer(ap, node, d->name, kind);
    if (z == NULL)
        return -EINVAL;
    if (z->size != 0 && z->size != d->size)
        return conf_fail(ap->error, node, 0, "the size %lld of shared memory zone \"%.*s\" "
                         "conflicts with already declared size %lld", (long long)d->size,
                         SV_ARG(z->name), (long long)z->size);
    if (z->key != NULL)
        return conf_fail(ap->error, node, 0, "%s \"%.*s\" is already bound to key \"%.*s\"",
                         node->argv[0].p, SV_ARG(z->name), SV_ARG(z->key->source));
    z->size = d->size;
    z->key = d->key;
    z->rate = d->rate;
    return 0;
}

static int set_zone(struct conf_apply *ap, const struct conf_node *node, enum limit_kind kind)
{
    struct declaration d = {.rate = MILLI};
    int rc = template_compile(ap->vars, node->argv[1], node, &d.key, ap->error);

    for (unsigned i = 2; rc == 0 && i < node->argc; i++) {
        struct sv word = node->argv[i], value;

        if (take_prefix(word, "zone=", &value))
            rc = read_zone(ap, node, word, value, &d);
        else if (kind == LIMIT_KIND_REQ && take_prefix(word, "rate=", &value))
            rc = read_rate(ap, node, word, value, &d);
        else
            rc = fail_parameter(ap, node, word);
    }
    return rc != 0 ? rc : declare(ap, node, kind, &d);
}

// limit_req_zone KEY zone=NAME:SIZE rate=RATE;
static int set_limit_req_zone(struct conf_apply *ap, const struct conf_directive *row,
                              const struct conf_node *node, void *field)
{
    (void)row;
    (void)field;
    return set_zone(ap, node, LIMIT_KIND_REQ);
}

// limit_conn_zone KEY zone=NAME:SIZE;
static int set_limit_conn_zone(struct conf_apply *ap, const struct conf_directive *row,
                               const struct conf_node *node, void *field)
{
    (void)row;
    (void)field;
    return set_zone(ap, node, LIMIT_KIND_CONN);
}

static int read_requests(struct conf_apply *ap, const struct conf_node *node, const char *what,
                         struct sv word, struct sv value, int64_t *out)
{
    if (conf_number(value, out) != 0 || *out == 0 || *out > INT64_MAX / MILLI)
        return conf_fail(ap->error, node, 0, "invalid %s value \"%.*s\"", what, SV_ARG(word));
    *out *= MILLI;
    return 0;
}

static int read_req_word(struct conf_apply *ap, const struct conf_node *node, struct sv word,
                         struct limit_req_rule *rule)
{
    struct sv value;

    if (take_prefix(word, "zone=", &value)) {
        rule->zone = refer(ap, node, value, LIMIT_KIND_REQ);
        return rule->zone != NULL ? 0 : -EINVAL;
    }
    if (take_prefix(word, "burst=", &value))
        return read_requests(ap, node, "burst", word, value, &rule->burst);
    if (take_prefix(word, "delay=", &value))
        return read_requests(ap, node, "delay", word, value, &rule->delay);
    if (!sv_eq(word, SV("nodelay")))
        return fail_parameter(ap, node, word);
    rule->delay = INT64_MAX;
    return 0;
}

// limit_req zone=NAME [burst=N] [nodelay | delay=N]; rules of one level add up.
static int set_limit_req(struct conf_apply *ap, const struct conf_directive *row,
                         const struct conf_node *node, void *field)
{
    struct limit_req_rules **rules = field, *old = *rules;
    unsigned count = old != CONF_UNSET_PTR ? old->count : 0;
    struct limit_req_rule rule = {.zone = NULL};

    (void)row;
    for (unsigned i = 1; i < node->argc; i++) {
        int rc = read_req_word(ap, node, node->argv[i], &rule);
        if (rc != 0)
            return rc;
    }
    if (rule.zone == NULL)
        return conf_fail(ap->error, node, 0, "\"%s\" must have \"zone\" parameter",
                         node->argv[0].p);
    struct limit_req_rules *more =
        arena_zalloc(ap->arena, sizeof(*more) + (count + 1) * sizeof(rule));
    if (more == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        if (old->rule[i].zone == rule.zone)
            return fail_duplicate(ap, node);
        more->rule[i] = old->rule[i];
    }
    more->rule[count] = rule;
    more->count = count + 1;
    *rules = more;
    return 0;
}

static int read_most(struct conf_apply *ap, const struct conf_node *node, uint32_t *most)
{
    int64_t n;

    if (conf_number(node->argv[2], &n) != 0 || n == 0)
        return conf_fail(ap->error, node, 0, "invalid number of connections \"%s\"",
                         node->argv[2].p);
    if (n > UINT16_MAX)
        return conf_fail(ap->error, node, 0, "connection limit must be less 65536");
    *most = (uint32_t)n;
    return 0;
}

// limit_conn NAME N; rules of one level add up.
static int set_limit_conn(struct conf_apply *ap, const struct conf_directive *row,
                          const struct conf_node *node, void *field)
{
    struct limit_conn_rules **rules = field, *old = *rules;
    unsigned count = old != CONF_UNSET_PTR ? old->count : 0;
    struct limit_conn_rule rule = {.zone = refer(ap, node, node->argv[1], LIMIT_KIND_CONN)};

    (void)row;
    if (rule.zone == NULL)
        return -EINVAL;
    struct limit_conn_rules *more =
        arena_zalloc(ap->arena, sizeof(*more) + (count + 1) * sizeof(rule));
    if (more == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        if (old->rule[i].zone == rule.zone)
            return fail_duplicate(ap, node);
        more->rule[i] = old->rule[i];
    }
    int rc = read_most(ap, node, &rule.most);
    if (rc != 0)
        return rc;
    more->rule[count] = rule;
    more->count = count + 1;
    *rules = more;
    return 0;
}

static int set_status(struct conf_apply *ap, const struct conf_directive *row,
                      const struct conf_node *node, void *field)
{
    const int64_t *status = field;
    int rc = conf_set_number(ap, row, node, field);

    if (rc == 0 && (*status < 400 || *status > 599))
        return conf_fail(ap->error, node, 0, "value must be between 400 and 599");
    return rc;
}

static const struct conf_enum levels[] = {
    {"info", LOG_LEVEL_INFO}, {"notice", LOG_LEVEL_NOTICE}, {"warn", LOG_LEVEL_WARN},
    {"error", LOG_LEVEL_ERROR}, {NULL, 0},
};

#define STATUS(field) .contexts = IN_HSL, .args = CONF_ARGS_1, .set = set_status, \
    AT_LOCATION(limits.field), ELSE_INT(503)
#define LEVEL(field) .contexts = IN_HSL, .args = CONF_ARGS_1, .set = conf_set_enum, \
    .aux = levels, AT_LOCATION(limits.field), ELSE_INT(LOG_LEVEL_ERROR)
#define DRY_RUN(field) .contexts = IN_HSL, .args = CONF_ON_OFF, .set = conf_set_flag, \
    AT_LOCATION(limits.field), ELSE_INT(0)

const struct conf_directive directives_limits[] = {
    {.name = "limit_req_zone", .contexts = IN_HTTP, .args = CONF_ARGS_3,
     .set = set_limit_req_zone},
    {.name = "limit_req", .contexts = IN_HSL, .args = CONF_ARGS_1 | CONF_ARGS_2 | CONF_ARGS_3,
     .set = set_limit_req, AT_LOCATION(limits.req), ELSE_NULL},
    {.name = "limit_req_status", STATUS(req_status)},
    {.name = "limit_req_log_level", LEVEL(req_log_level)},
    {.name = "limit_req_dry_run", DRY_RUN(req_dry_run)},
    {.name = "limit_conn_zone", .contexts = IN_HTTP, .args = CONF_ARGS_2,
     .set = set_limit_conn_zone},
    {.name = "limit_conn", .contexts = IN_HSL, .args = CONF_ARGS_2, .set = set_limit_conn,
     AT_LOCATION(limits.conn), ELSE_NULL},
    {.name = "limit_conn_status", STATUS(conn_status)},
    {.name = "limit_conn_log_level", LEVEL(conn_log_level)},
    {.name = "limit_conn_dry_run", DRY_RUN(conn_dry_run)},
    {.name = NULL},
};
