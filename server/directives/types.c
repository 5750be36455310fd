// SPDX-License-Identifier: Apache-2.0
//
// Media types: `types`, default_type, and lists of types.
#include "server/directives/rows_priv.h"
#include "server/directives/types.h"
#include "server/config/location_conf.h"
#include "server/process/report.h"

// A copy of `old` (NULL: empty) with room for `more` further keys.
static struct strmap *grown(struct arena *a, const struct strmap *old, unsigned more)
{
    struct strmap *m = arena_new(a, struct strmap);
    uint32_t count = old != NULL ? old->count : 0;

    if (m == NULL || strmap_init(m, a, count + more + 1, true) != 0)
        return NULL;
    for (uint32_t i = 0; old != NULL && i <= old->mask; i++) {
        if (old->slots[i].key.p != NULL && strmap_put(m, old->slots[i].key, old->slots[i].value))
            return NULL;
    }
    return m;
}

static int put_type(struct arena *a, struct strmap *m, struct sv extension, struct sv type,
                    const struct conf_node *node)
{
    struct sv *old = strmap_get(m, extension), *value;

    if (old != NULL) {
        report(LOG_LEVEL_WARN, 0,
               "duplicate extension \"%.*s\", content type: \"%.*s\", previous content type: "
               "\"%.*s\" in %s:%u", SV_ARG(extension), SV_ARG(type), SV_ARG(*old), node->file,
               node->line);
        *old = type;
        return 0;
    }
    value = arena_new(a, struct sv);
    if (value == NULL)
        return -ENOMEM;
    *value = type;
    return strmap_put(m, extension, value);
}

static unsigned count_extensions(const struct conf_node *block)
{
    unsigned n = 0;

    for (const struct conf_node *c = block->children; c != NULL; c = c->next)
        n += c->argc - 1;
    return n;
}

// Several `types` of one block add up.
static int set_types(struct conf_apply *ap, const struct conf_directive *row,
                     const struct conf_node *node, void *field)
{
    struct strmap **types = field;
    const struct strmap *old = *types != CONF_UNSET_PTR ? *types : NULL;
    struct strmap *m = grown(ap->arena, old, count_extensions(node));
    int rc = m != NULL ? 0 : -ENOMEM;

    (void)row;
    for (const struct conf_node *c = node->children; rc == 0 && c != NULL; c = c->next)
        for (unsigned i = 1; rc == 0 && i < c->argc; i++)
            rc = put_type(ap->arena, m, c->argv[i], c->argv[0], c);
    if (rc == 0)
        *types = m;
    return rc;
}

int types_default(struct arena *a, struct strmap **out)
{
    static const struct conf_node nowhere = {.file = ""};
    struct strmap *m = grown(a, NULL, 3);
    int rc = m != NULL ? 0 : -ENOMEM;

    if (rc == 0)
        rc = put_type(a, m, SV("html"), SV("text/html"), &nowhere);
    if (rc == 0)
        rc = put_type(a, m, SV("gif"), SV("image/gif"), &nowhere);
    if (rc == 0)
        rc = put_type(a, m, SV("jpg"), SV("image/jpeg"), &nowhere);
    if (rc == 0)
        *out = m;
    return rc;
}

static int add_listed(struct strmap *m, struct sv type)
{
    static char present[] = "";

    return strmap_get(m, type) != NULL ? 0 : strmap_put(m, type, present);
}

int set_type_list(struct conf_apply *ap, const struct conf_directive *row,
                  const struct conf_node *node, void *field)
{
    struct strmap **types = field;
    const struct strmap *old = *types != CONF_UNSET_PTR ? *types : NULL;
    struct strmap *m = grown(ap->arena, old, node->argc);

    (void)row;
    int rc = m != NULL ? add_listed(m, SV("text/html")) : -ENOMEM;
    for (unsigned i = 1; rc == 0 && i < node->argc; i++)
        rc = add_listed(m, node->argv[i]);
    if (rc == 0)
        *types = m;
    return rc;
}

int charset_types_default(struct arena *a, struct strmap **out)
{
    static const char *const names[] = {
        "text/html",  "text/xml", "text/plain", "text/vnd.wap.wml", "application/javascript",
        "application/rss+xml",
    };
    struct strmap *m = grown(a, NULL, array_len(names));
    int rc = m != NULL ? 0 : -ENOMEM;

    for (size_t i = 0; rc == 0 && i < array_len(names); i++)
        rc = add_listed(m, sv_from(names[i]));
    if (rc == 0)
        *out = m;
    return rc;
}

const struct conf_directive directives_types[] = {
    {.name = "types", .contexts = IN_HSL, .args = CONF_ARGS_0 | CONF_BLOCK, .set = set_types,
     AT_LOCATION(types), ELSE_NULL, .aux = conf_data_block},
    {.name = "default_type", .contexts = IN_HSL, .args = CONF_ARGS_1, .set = conf_set_sv,
     AT_LOCATION(default_type), ELSE_TEXT("text/plain")},
    {.name = NULL},
};
