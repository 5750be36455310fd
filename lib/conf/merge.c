// SPDX-License-Identifier: Apache-2.0
//
// Inheritance by the rows' merge rules: a level that has not set a field takes it from the level
// above, or gets the default.
#include "lib/base/check.h"
#include "lib/conf/schema.h"

static void unset_field(const struct conf_directive *row, void *field)
{
    switch ((enum conf_merge_rule)row->merge) {
    case CONF_MERGE_NONE:
        return;
    case CONF_MERGE_INT:
        *(int64_t *)field = CONF_UNSET;
        return;
    case CONF_MERGE_SV:
        *(struct sv *)field = sv_of(NULL, 0);
        return;
    case CONF_MERGE_PTR:
        *(void **)field = CONF_UNSET_PTR;
        return;
    }
    check(!"known merge rule");
}

static void merge_int(const struct conf_directive *row, const int64_t *parent, int64_t *child)
{
    if (*child == CONF_UNSET && parent != NULL)
        *child = *parent;
    if (*child == CONF_UNSET)
        *child = row->default_int;
}

static void merge_sv(const struct conf_directive *row, const struct sv *parent, struct sv *child)
{
    if (child->p == NULL && parent != NULL)
        *child = *parent;
    if (child->p == NULL)
        *child = sv_from(row->default_sv);
}

static void merge_ptr(void *const *parent, void **child)
{
    if (*child == CONF_UNSET_PTR && parent != NULL)
        *child = *parent;
    if (*child == CONF_UNSET_PTR)
        *child = NULL;
}

static void merge_field(const struct conf_directive *row, const void *parent, void *child)
{
    switch ((enum conf_merge_rule)row->merge) {
    case CONF_MERGE_NONE:
        return;
    case CONF_MERGE_INT:
        merge_int(row, parent, child);
        return;
    case CONF_MERGE_SV:
        merge_sv(row, parent, child);
        return;
    case CONF_MERGE_PTR:
        merge_ptr(parent, child);
        return;
    }
    check(!"known merge rule");
}

void conf_unset(const struct conf_schema *schema, unsigned level, void *fresh)
{
    for (size_t t = 0; t < schema->ntables; t++)
        for (const struct conf_directive *row = schema->tables[t]; row->name != NULL; row++)
            if (row->level == level)
                unset_field(row, (char *)fresh + row->offset);
}

void conf_merge(const struct conf_schema *schema, unsigned level, const void *parent, void *child)
{
    for (size_t t = 0; t < schema->ntables; t++)
        for (const struct conf_directive *row = schema->tables[t]; row->name != NULL; row++)
            if (row->level == level)
                merge_field(row, parent != NULL ? (const char *)parent + row->offset : NULL,
                            (char *)child + row->offset);
}
