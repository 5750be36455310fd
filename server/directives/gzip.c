// SPDX-License-Identifier: Apache-2.0
//
// gzip of responses.
#include "server/config/location_conf.h"
#include "server/directives/rows_priv.h"
#include "server/filters/gzip_conf.h"

static int set_level(struct conf_apply *ap, const struct conf_directive *row,
                     const struct conf_node *node, void *field)
{
    const int64_t *level = field;
    int rc = conf_set_number(ap, row, node, field);

    if (rc == 0 && (*level < 1 || *level > 9))
        return conf_fail(ap->error, node, 0, "value must be between 1 and 9");
    return rc;
}

static const struct conf_enum versions[] = {{"1.0", 10}, {"1.1", 11}, {NULL, 0}};

static const struct conf_enum proxied[] = {
    {"off", GZIP_PROXIED_OFF},
    {"expired", GZIP_PROXIED_EXPIRED},
    {"no-cache", GZIP_PROXIED_NO_CACHE},
    {"no-store", GZIP_PROXIED_NO_STORE},
    {"private", GZIP_PROXIED_PRIVATE},
    {"no_last_modified", GZIP_PROXIED_NO_LAST_MODIFIED},
    {"no_etag", GZIP_PROXIED_NO_ETAG},
    {"auth", GZIP_PROXIED_AUTH},
    {"any", GZIP_PROXIED_ANY},
    {NULL, 0},
};

static int64_t proxied_bit(struct sv word)
{
    for (const struct conf_enum *e = proxied; e->name != NULL; e++) {
        if (sv_eq_nocase(word, sv_from(e->name)))
            return e->value;
    }
    return 0;
}

static int set_proxied(struct conf_apply *ap, const struct conf_directive *row,
                       const struct conf_node *node, void *field)
{
    int64_t *bits = field;

    (void)row;
    if (*bits != CONF_UNSET)
        return fail_duplicate(ap, node);
    *bits = 0;
    for (unsigned i = 1; i < node->argc; i++) {
        int64_t bit = proxied_bit(node->argv[i]);
        if (bit == 0)
            return fail_value(ap, node, node->argv[i]);
        *bits |= bit;
    }
    return 0;
}

// nginx's own word for Internet Explorer 4 to 6, the later ones of 6 excepted.
#define MSIE6 "MSIE ([45]\\.|6\\.(?!.*SV1))"

static int set_disable(struct conf_apply *ap, const struct conf_directive *row,
                       const struct conf_node *node, void *field)
{
    struct gzip_disable **list = field;
    const struct var **captures;
    int rc = 0;

    (void)row;
    if (*list == CONF_UNSET_PTR)
        *list = NULL;
    for (unsigned i = 1; rc == 0 && i < node->argc; i++) {
        struct gzip_disable *d = arena_new(ap->arena, struct gzip_disable);
        bool msie6 = sv_eq(node->argv[i], SV("msie6"));
        if (d == NULL)
            return -ENOMEM;
        d->next = *list;
        *list = d;
        rc = compile_regex(ap, node, msie6 ? SV(MSIE6) : node->argv[i], !msie6, &d->regex,
                           &captures);
    }
    return rc;
}

const struct conf_directive directives_gzip[] = {
    {.name = "gzip", .contexts = IN_HSLI, .args = CONF_ON_OFF, .set = conf_set_flag,
     AT_LOCATION(gzip.on), ELSE_INT(0)},
    {.name = "gzip_types", .contexts = IN_HSL, .args = CONF_ARGS_1MORE, .set = set_type_list,
     AT_LOCATION(gzip.types), ELSE_NULL},
    {.name = "gzip_comp_level", .contexts = IN_HSL, .args = CONF_ARGS_1, .set = set_level,
     AT_LOCATION(gzip.level), ELSE_INT(1)},
    {.name = "gzip_min_length", .contexts = IN_HSL, .args = CONF_ARGS_1, .set = conf_set_size,
     AT_LOCATION(gzip.min_length), ELSE_INT(20)},
    {.name = "gzip_vary", .contexts = IN_HSL, .args = CONF_ON_OFF, .set = conf_set_flag,
     AT_LOCATION(gzip.vary), ELSE_INT(0)},
    {.name = "gzip_http_version", .contexts = IN_HSL, .args = CONF_ARGS_1, .set = conf_set_enum,
     AT_LOCATION(gzip.http_version), ELSE_INT(11), .aux = versions},
    {.name = "gzip_proxied", .contexts = IN_HSL, .args = CONF_ARGS_1MORE, .set = set_proxied,
     AT_LOCATION(gzip.proxied), ELSE_INT(GZIP_PROXIED_OFF)},
    {.name = "gzip_disable", .contexts = IN_HSL, .args = CONF_ARGS_1MORE, .set = set_disable,
     AT_LOCATION(gzip.disable), ELSE_NULL},
    {.name = NULL},
};
