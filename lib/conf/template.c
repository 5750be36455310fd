// SPDX-License-Identifier: Apache-2.0
//
// Values with variables: compiled once to a list of parts, then only joined. It knows variables by
// their registry entries and never what they mean.
#include "lib/conf/template.h"

#include <errno.h>

#define STACK_PARTS 32

struct compiler {
    struct var_registry *vr;
    struct sv text;
    size_t pos;
    const struct conf_node *node;
    struct conf_error *error;
    struct template *t;
};

static bool is_name_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static size_t count_dollars(struct sv s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '$';
    return n;
}

static void add_part(struct compiler *c, struct template_part part)
{
    c->t->parts[c->t->nparts++] = part;
}

static void add_literal(struct compiler *c)
{
    struct sv rest = sv_skip(c->text, c->pos);
    ptrdiff_t dollar = sv_find(rest, '$');
    struct sv literal = dollar >= 0 ? sv_take(rest, (size_t)dollar) : rest;

    add_part(c, (struct template_part){.literal = literal, .capture = -1});
    c->pos += literal.n;
}

static int fail_name(const struct compiler *c)
{
    return conf_fail(c->error, c->node, 0, "invalid variable name");
}

// At the first character behind "$" or "${".
static int take_name(struct compiler *c, bool bracket, struct sv *name)
{
    size_t start = c->pos;

    while (c->pos < c->text.n && is_name_char(c->text.p[c->pos]))
        c->pos++;
    *name = sv_of(c->text.p + start, c->pos - start);
    if (!bracket)
        return 0;
    if (c->pos == c->text.n || c->text.p[c->pos] != '}')
        return conf_fail(c->error, c->node, 0,
                         "the closing bracket in \"%.*s\" variable is missing", SV_ARG(*name));
    c->pos++;
    return 0;
}

static int add_variable(struct compiler *c)
{
    bool bracket = c->text.p[c->pos] == '{';
    struct sv name;

    c->pos += bracket;
    if (c->pos == c->text.n)
        return fail_name(c);
    int rc = take_name(c, bracket, &name);
    if (rc != 0)
        return rc;
    if (name.n == 0)
        return fail_name(c);
    struct var *v = var_refer(c->vr, name, c->node);
    if (v == NULL)
        return -ENOMEM;
    add_part(c, (struct template_part){.var = v, .capture = -1});
    return 0;
}

static int add_reference(struct compiler *c)
{
    c->pos++;
    if (c->pos == c->text.n)
        return fail_name(c);
    char first = c->text.p[c->pos];
    if (first < '1' || first > '9')
        return add_variable(c);
    add_part(c, (struct template_part){.capture = first - '0'});
    c->pos++;
    return 0;
}

static int compile_parts(struct compiler *c)
{
    while (c->pos < c->text.n) {
        if (c->text.p[c->pos] != '$') {
            add_literal(c);
            continue;
        }
        int rc = add_reference(c);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int template_compile(struct var_registry *vr, struct sv text, const struct conf_node *node,
                     struct template **out, struct conf_error *error)
{
    struct template *t = arena_new(vr->arena, struct template);
    size_t dollars = count_dollars(text);

    if (t == NULL)
        return -ENOMEM;
    t->source = t->literal = arena_sv(vr->arena, text);
    t->constant = dollars == 0;
    if (t->source.p == NULL)
        return -ENOMEM;
    *out = t;
    if (t->constant)
        return 0;

    // Between and around the references there is at most one literal each.
    t->parts = arena_array(vr->arena, struct template_part, 2 * dollars + 1);
    if (t->parts == NULL)
        return -ENOMEM;
    t->literal = sv_of(NULL, 0);
    struct compiler c = {.vr = vr, .text = t->source, .node = node, .error = error, .t = t};
    return compile_parts(&c);
}

static struct sv read_part(const struct template_part *part, const struct template_reader *reader,
                           void *ctx)
{
    struct sv value = {"", 0};
    bool has;

    if (part->var != NULL)
        has = reader->read(ctx, part->var, &value);
    else if (part->capture >= 0)
        has = reader->capture(ctx, part->capture, &value);
    else
        return part->literal;
    return has && value.n != 0 ? value : SV("");
}

static int join(const struct sv *values, uint32_t count, size_t total, struct arena *a,
                struct sv *out)
{
    char *p = arena_alloc(a, total + 1);
    size_t at = 0;

    if (p == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(p + at, values[i].p, values[i].n);
        at += values[i].n;
    }
    p[at] = '\0';
    *out = sv_of(p, at);
    return 0;
}

int template_eval(const struct template *t, const struct template_reader *reader, void *ctx,
                  struct arena *a, struct sv *out)
{
    struct sv stack[STACK_PARTS];
    struct sv *values = stack;
    size_t total = 0;

    if (t->constant) {
        *out = t->literal;
        return 0;
    }
    if (t->nparts == 1) {
        *out = read_part(&t->parts[0], reader, ctx);
        return 0;
    }
    if (t->nparts > STACK_PARTS)
        values = arena_array(a, struct sv, t->nparts);
    if (values == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < t->nparts; i++) {
        values[i] = read_part(&t->parts[i], reader, ctx);
        total += values[i].n;
    }
    return join(values, t->nparts, total, a, out);
}
