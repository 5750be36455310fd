// SPDX-License-Identifier: Apache-2.0
//
// The registry of variables: who is defined, who is only referred to. Names are case-insensitive,
// as in nginx, and kept in lower case.
#include <errno.h>

#include "lib/conf/parse_priv.h"
#include "lib/conf/template.h"

int var_registry_init(struct var_registry *vr, struct arena *a)
{
    *vr = (struct var_registry){.arena = a, .slots = 1};
    return strmap_init(&vr->by_name, a, 128, true);
}

static struct sv lower_copy(struct arena *a, struct sv s)
{
    char *p = arena_strndup(a, s.p, s.n);

    if (p == NULL)
        return sv_of(NULL, 0);
    for (size_t i = 0; i < s.n; i++)
        p[i] = ascii_lower(p[i]);
    return sv_of(p, s.n);
}

static struct var *new_var(struct var_registry *vr, struct sv name)
{
    struct var *v = arena_new(vr->arena, struct var);

    if (v == NULL)
        return NULL;
    v->name = lower_copy(vr->arena, name);
    return v->name.p != NULL ? v : NULL;
}

static void append(struct var **list, struct var *v)
{
    while (*list != NULL)
        list = &(*list)->next;
    *list = v;
}

static struct var *add_var(struct var_registry *vr, struct sv name)
{
    struct var *v = new_var(vr, name);

    if (v == NULL || conf_map_put(&vr->by_name, vr->arena, v->name, v) != 0)
        return NULL;
    append(&vr->all, v);
    return v;
}

static void assign_slot(struct var_registry *vr, struct var *v)
{
    if (v->flags & VAR_CACHED && v->slot == 0)
        v->slot = vr->slots++;
}

static void complete(struct var_registry *vr, struct var *v, const struct var *proto)
{
    v->get = proto->get;
    v->set = proto->set;
    v->data = proto->data;
    v->flags = proto->flags & ~(uint32_t)VAR_WEAK;
    v->suffix = sv_of(NULL, 0);
    assign_slot(vr, v);
}

static int define_prefix(struct var_registry *vr, const struct var *proto, struct var **out)
{
    struct var *v = vr->prefixes;

    while (v != NULL && !sv_eq_nocase(v->name, proto->name))
        v = v->next;
    if (v != NULL && !(v->flags & VAR_CHANGEABLE))
        return -EEXIST;
    if (v == NULL) {
        v = new_var(vr, proto->name);
        if (v == NULL)
            return -ENOMEM;
        append(&vr->prefixes, v);
    }
    v->get = proto->get;
    v->set = proto->set;
    v->data = proto->data;
    v->flags = proto->flags;
    if (out != NULL)
        *out = v;
    return 0;
}

// A name that only a prefix explained so far may still be defined in its own right.
static bool may_define(const struct var *v)
{
    return (v->flags & (VAR_WEAK | VAR_CHANGEABLE)) != 0 || v->suffix.p != NULL;
}

int var_define(struct var_registry *vr, const struct var *proto, struct var **out)
{
    if (proto->name.n == 0)
        return -EINVAL;
    if (proto->flags & VAR_PREFIX)
        return define_prefix(vr, proto, out);

    struct var *v = strmap_get(&vr->by_name, proto->name);
    if (v != NULL && !may_define(v))
        return -EEXIST;
    if (v == NULL)
        v = add_var(vr, proto->name);
    if (v == NULL)
        return -ENOMEM;
    complete(vr, v, proto);
    if (out != NULL)
        *out = v;
    return 0;
}

static const struct var *longest_prefix(const struct var_registry *vr, struct sv name)
{
    const struct var *best = NULL;

    for (const struct var *v = vr->prefixes; v != NULL; v = v->next)
        if (sv_starts_nocase(name, v->name) && (best == NULL || v->name.n > best->name.n))
            best = v;
    return best;
}

struct var *var_refer(struct var_registry *vr, struct sv name, const struct conf_node *use)
{
    struct var *v = strmap_get(&vr->by_name, name);

    if (v == NULL) {
        v = add_var(vr, name);
        if (v == NULL)
            return NULL;
        const struct var *prefix = longest_prefix(vr, v->name);
        v->flags = VAR_WEAK;
        if (prefix != NULL) {
            complete(vr, v, prefix);
            v->flags &= ~(uint32_t)VAR_PREFIX;
            v->suffix = sv_of(v->name.p + prefix->name.n, v->name.n - prefix->name.n);
        }
    }
    if (v->first_use == NULL)
        v->first_use = use;
    return v;
}

int var_registry_check(const struct var_registry *vr, struct conf_error *error)
{
    for (const struct var *v = vr->all; v != NULL; v = v->next)
        if (v->flags & VAR_WEAK)
            return conf_fail(error, v->first_use, 0, "unknown \"%.*s\" variable", SV_ARG(v->name));
    return 0;
}
