// SPDX-License-Identifier: Apache-2.0
//
// Generic setters for table rows, with nginx's messages.
#include <errno.h>

#include "lib/conf/schema.h"
#include "lib/conf/value.h"

static int fail_duplicate(struct conf_apply *ap, const struct conf_node *node)
{
    return conf_fail(ap->error, node, 0, "\"%s\" directive is duplicate", node->argv[0].p);
}

// The part all numeric setters share: `parse` turns the argument into the field's value, and `what`
// names what it should have been.
static int set_parsed(struct conf_apply *ap, const struct conf_node *node, void *field,
                      int (*parse)(struct sv, int64_t *), const char *what)
{
    int64_t *value = field;

    if (*value != CONF_UNSET)
        return fail_duplicate(ap, node);
    if (parse(node->argv[1], value) != 0)
        return conf_fail(ap->error, node, 0, "\"%s\" directive invalid %s", node->argv[0].p, what);
    return 0;
}

int conf_set_number(struct conf_apply *ap, const struct conf_directive *row,
                    const struct conf_node *node, void *field)
{
    (void)row;
    return set_parsed(ap, node, field, conf_number, "number");
}

int conf_set_size(struct conf_apply *ap, const struct conf_directive *row,
                  const struct conf_node *node, void *field)
{
    (void)row;
    return set_parsed(ap, node, field, conf_size, "value");
}

int conf_set_offset(struct conf_apply *ap, const struct conf_directive *row,
                    const struct conf_node *node, void *field)
{
    (void)row;
    return set_parsed(ap, node, field, conf_offset, "value");
}

int conf_set_msec(struct conf_apply *ap, const struct conf_directive *row,
                  const struct conf_node *node, void *field)
{
    (void)row;
    return set_parsed(ap, node, field, conf_msec, "value");
}

int conf_set_sec(struct conf_apply *ap, const struct conf_directive *row,
                 const struct conf_node *node, void *field)
{
    (void)row;
    return set_parsed(ap, node, field, conf_sec, "value");
}

int conf_set_flag(struct conf_apply *ap, const struct conf_directive *row,
                  const struct conf_node *node, void *field)
{
    int64_t *value = field;
    struct sv word = node->argv[1];

    (void)row;
    if (*value != CONF_UNSET)
        return fail_duplicate(ap, node);
    if (!sv_eq_nocase(word, SV("on")) && !sv_eq_nocase(word, SV("off")))
        return conf_fail(ap->error, node, 0,
                         "invalid value \"%s\" in \"%s\" directive, it must be \"on\" or \"off\"",
                         word.p, node->argv[0].p);
    *value = sv_eq_nocase(word, SV("on"));
    return 0;
}

int conf_set_enum(struct conf_apply *ap, const struct conf_directive *row,
                  const struct conf_node *node, void *field)
{
    int64_t *value = field;

    if (*value != CONF_UNSET)
        return fail_duplicate(ap, node);
    for (const struct conf_enum *e = row->aux; e->name != NULL; e++) {
        if (sv_eq_nocase(node->argv[1], sv_from(e->name))) {
            *value = e->value;
            return 0;
        }
    }
    return conf_fail(ap->error, node, 0, "invalid value \"%s\"", node->argv[1].p);
}

int conf_set_sv(struct conf_apply *ap, const struct conf_directive *row,
                const struct conf_node *node, void *field)
{
    struct sv *value = field;

    (void)row;
    if (value->p != NULL)
        return fail_duplicate(ap, node);
    *value = node->argv[1];
    return 0;
}

int conf_set_template(struct conf_apply *ap, const struct conf_directive *row,
                      const struct conf_node *node, void *field)
{
    struct template **value = field;

    (void)row;
    if (*value != CONF_UNSET_PTR)
        return fail_duplicate(ap, node);
    return template_compile(ap->vars, node->argv[1], node, value, ap->error);
}
