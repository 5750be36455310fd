// SPDX-License-Identifier: Apache-2.0
//
// Walks a tree by tables of directives: finds the row, checks its place and shape, calls its
// setter. What contexts, levels and fields mean is the program's.
#include "lib/conf/schema.h"

#include <errno.h>

#include "lib/base/check.h"

const char conf_data_block[] = "data";

// A cursor over all rows of all tables.
struct row_cursor {
    const struct conf_schema *schema;
    size_t table;
    const struct conf_directive *row;
};

static struct row_cursor rows_of(const struct conf_schema *schema)
{
    return (struct row_cursor){.schema = schema};
}

// The next row, or NULL behind the last.
static const struct conf_directive *next_row(struct row_cursor *c)
{
    if (c->row != NULL) {
        c->row++;
        if (c->row->name != NULL)
            return c->row;
        c->table++;
    }
    for (; c->table < c->schema->ntables; c->table++) {
        c->row = c->schema->tables[c->table];
        if (c->row->name != NULL)
            return c->row;
    }
    return NULL;
}

static const struct conf_directive *next_named(struct row_cursor *c, const struct conf_node *node)
{
    const struct conf_directive *row;

    while ((row = next_row(c)) != NULL)
        if (strcmp(row->name, node->argv[0].p) == 0)
            return row;
    return NULL;
}

static const char *name_of(const struct conf_node *node)
{
    return node->argv[0].p;
}

static int fail_unsupported(struct conf_error *error, const struct conf_node *node,
                            const char *reason)
{
    return conf_fail(error, node, 0, "directive \"%s\" is not supported: %s", name_of(node),
                     reason != NULL ? reason : "it is not implemented");
}

// A name without a row: known by its family, or not at all.
static int fail_unknown(const struct conf_schema *schema, struct conf_error *error,
                        const struct conf_node *node)
{
    const struct conf_family *f = schema->families;

    for (; f != NULL && f->prefix != NULL; f++)
        if (sv_starts(node->argv[0], sv_from(f->prefix)))
            return fail_unsupported(error, node, f->reason);
    return conf_fail(error, node, 0, "unknown directive \"%s\"", name_of(node));
}

static int fail_rejected(struct conf_error *error, const struct conf_node *node,
                         const struct conf_directive *row)
{
    return fail_unsupported(error, node, row->reason);
}

static bool count_fits(uint32_t args, unsigned n)
{
    if (args & CONF_ARGS_ANY)
        return true;
    if (args & CONF_ON_OFF)
        return n == 1;
    if ((args & CONF_ARGS_1MORE && n >= 1) || (args & CONF_ARGS_2MORE && n >= 2))
        return true;
    return n <= 4 && (args & (1u << n)) != 0;
}

// A block where there should be none, or the other way round.
static int fail_form(struct conf_error *error, const struct conf_node *node)
{
    if (node->block)
        return conf_fail(error, node, 0, "directive \"%s\" is not terminated by \";\"",
                         name_of(node));
    return conf_fail(error, node, 0, "directive \"%s\" has no opening \"{\"", name_of(node));
}

static int check_shape(const struct conf_apply *ap, const struct conf_node *node,
                       const struct conf_directive *row)
{
    bool block = (row->args & CONF_BLOCK) != 0;

    if (row->klass == CONF_IGNORED && row->args == 0)
        return 0;
    if (node->block != block)
        return fail_form(ap->error, node);
    if (!count_fits(row->args, node->argc - 1))
        return conf_fail(ap->error, node, 0, "invalid number of arguments in \"%s\" directive",
                         name_of(node));
    return 0;
}

static void *field_of(const struct conf_apply *ap, const struct conf_directive *row)
{
    check(row->level < CONF_LEVELS);
    char *base = ap->frame->level[row->level];
    return base != NULL ? base + row->offset : NULL;
}

static int apply_row(struct conf_apply *ap, const struct conf_node *node,
                     const struct conf_directive *row)
{
    if (row->klass == CONF_REJECTED)
        return fail_rejected(ap->error, node, row);
    int rc = check_shape(ap, node, row);
    if (rc != 0)
        return rc;
    if (row->klass == CONF_IGNORED) {
        if (ap->notice != NULL)
            ap->notice(ap, node, row);
        return 0;
    }
    check(row->set != NULL);
    return row->set(ap, row, node, field_of(ap, row));
}

static int apply_node(struct conf_apply *ap, const struct conf_node *node)
{
    struct row_cursor c = rows_of(ap->schema);
    const struct conf_directive *row = next_named(&c, node);

    if (row == NULL)
        return fail_unknown(ap->schema, ap->error, node);
    for (; row != NULL; row = next_named(&c, node))
        if (row->contexts & ap->frame->context)
            return apply_row(ap, node, row);
    return conf_fail(ap->error, node, 0, "\"%s\" directive is not allowed here", name_of(node));
}

int conf_apply_nodes(struct conf_apply *ap, const struct conf_node *first)
{
    for (const struct conf_node *node = first; node != NULL; node = node->next) {
        int rc = apply_node(ap, node);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int conf_apply_block(struct conf_apply *ap, const struct conf_node *block, struct conf_frame *frame)
{
    struct conf_frame *outer = ap->frame;

    frame->parent = outer;
    ap->frame = frame;
    int rc = conf_apply_nodes(ap, block->children);
    ap->frame = outer;
    return rc;
}

// What stands in such a block is not for the schema to judge.
static bool is_opaque(const struct conf_schema *schema, const struct conf_node *block, bool *data)
{
    struct row_cursor c = rows_of(schema);
    const struct conf_directive *row;
    bool ignored = false;

    *data = false;
    while ((row = next_named(&c, block)) != NULL) {
        *data |= row->args & CONF_BLOCK && row->aux == conf_data_block;
        ignored |= row->klass == CONF_IGNORED;
    }
    return *data || ignored;
}

// A name is refused while parsing when no context would take it; otherwise its context decides
// later.
static int check_name(const struct conf_schema *schema, const struct conf_node *node,
                      struct conf_error *error)
{
    struct row_cursor c = rows_of(schema);
    const struct conf_directive *first = next_named(&c, node);

    if (first == NULL)
        return fail_unknown(schema, error, node);
    bool served = false, plain = false, block = false;
    for (const struct conf_directive *row = first; row != NULL; row = next_named(&c, node)) {
        bool any = row->klass == CONF_IGNORED && row->args == 0;
        served = served || row->klass != CONF_REJECTED;
        block = block || any || (row->args & CONF_BLOCK) != 0;
        plain = plain || any || (row->args & CONF_BLOCK) == 0;
    }
    if (!served)
        return fail_rejected(error, node, first);
    // Said here, before the block is read: what is in it may make no sense at all.
    return (node->block ? block : plain) ? 0 : fail_form(error, node);
}

int conf_schema_head(void *schema, const struct conf_node *node, struct conf_error *error)
{
    bool data;

    for (const struct conf_node *up = node->parent; up != NULL; up = up->parent) {
        if (!is_opaque(schema, up, &data))
            continue;
        if (data && up == node->parent && node->block)
            return conf_fail(error, node, 0, "unexpected \"{\"");
        return 0;
    }
    return check_name(schema, node, error);
}
