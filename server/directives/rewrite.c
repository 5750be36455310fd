// SPDX-License-Identifier: Apache-2.0
//
// The rewrite language: set, if, return, rewrite and break become instructions of the block they
// stand in (server/request/program.h), in their order.
#include "lib/conf/value.h"
#include "server/directives/condition.h"
#include "server/directives/rows_priv.h"
#include "server/request/program.h"
#include "server/vars/vars.h"

static struct program *program_of(struct conf_apply *ap)
{
    struct block *b = block_of(ap);

    if (b->program == NULL)
        b->program = arena_new(ap->arena, struct program);
    if (b->program != NULL && b->program_home != NULL)
        *b->program_home = b->program;
    return b->program;
}

static int grow(struct arena *a, struct program *p)
{
    unsigned cap = p->cap != 0 ? p->cap * 2 : 4;
    struct instruction *at = arena_array(a, struct instruction, cap);

    if (at == NULL)
        return -ENOMEM;
    if (p->n != 0)
        memcpy(at, p->at, p->n * sizeof(*at));
    p->at = at;
    p->cap = cap;
    return 0;
}

static int add(struct conf_apply *ap, const struct instruction *in)
{
    struct program *p = program_of(ap);

    if (p == NULL || (p->n == p->cap && grow(ap->arena, p) != 0))
        return -ENOMEM;
    p->at[p->n++] = *in;
    p->total += 1 + (in->body != NULL ? in->body->total : 0);
    return 0;
}

static int set_set(struct conf_apply *ap, const struct conf_directive *row,
                   const struct conf_node *node, void *field)
{
    struct instruction in = {.kind = DO_SET};
    struct sv name;

    (void)row;
    (void)field;
    if (!take_prefix(node->argv[1], "$", &name) || name.n == 0)
        return conf_fail(ap->error, node, 0, "invalid variable name \"%s\"", node->argv[1].p);
    in.var = vars_define_slot(ap->vars, name, node, ap->error);
    if (in.var == NULL)
        return -EINVAL;
    int rc = template_compile(ap->vars, node->argv[2], node, &in.value, ap->error);
    return rc != 0 ? rc : add(ap, &in);
}

static int set_break(struct conf_apply *ap, const struct conf_directive *row,
                     const struct conf_node *node, void *field)
{
    struct instruction in = {.kind = DO_BREAK};

    (void)row;
    (void)node;
    (void)field;
    return add(ap, &in);
}

static bool is_url(struct sv s)
{
    return sv_starts(s, SV("http://")) || sv_starts(s, SV("https://")) ||
           sv_starts(s, SV("$scheme"));
}

static bool is_redirect(int64_t status)
{
    return (status >= 301 && status <= 303) || status == 307 || status == 308;
}

static int set_return(struct conf_apply *ap, const struct conf_directive *row,
                      const struct conf_node *node, void *field)
{
    struct instruction in = {.kind = DO_RETURN, .ret = arena_new(ap->arena, struct return_rule)};
    struct sv text = node->argv[node->argc - 1];
    int64_t status;
    int rc = 0;

    (void)row;
    (void)field;
    if (in.ret == NULL)
        return -ENOMEM;
    bool number = conf_number(node->argv[1], &status) == 0 && status <= 999;
    if (!number && node->argc == 2 && is_url(text))
        status = 302;
    else if (!number)
        return conf_fail(ap->error, node, 0, "invalid return code \"%s\"", node->argv[1].p);
    in.ret->status = (unsigned)status;
    if (!number || node->argc == 3)
        rc = template_compile(ap->vars, text, node, &in.ret->text, ap->error);
    in.ret->redirect = in.ret->text != NULL && is_redirect(status);
    return rc != 0 ? rc : add(ap, &in);
}

static int read_flag(struct conf_apply *ap, const struct conf_node *node, struct instruction *in)
{
    struct sv word = node->argv[3];

    if (sv_eq(word, SV("permanent")))
        in->flag = REWRITE_PERMANENT;
    else if (sv_eq(word, SV("redirect")))
        in->flag = REWRITE_REDIRECT;
    else if (!sv_eq(word, SV("last")) && !sv_eq(word, SV("break")))
        return fail_parameter(ap, node, word);
    else if (in->flag == REWRITE_NONE)
        in->flag = sv_eq(word, SV("last")) ? REWRITE_LAST : REWRITE_BREAK;
    return 0;
}

static int set_rewrite(struct conf_apply *ap, const struct conf_directive *row,
                       const struct conf_node *node, void *field)
{
    struct instruction in = {.kind = DO_REWRITE};
    struct sv to = node->argv[2];

    (void)row;
    (void)field;
    if (to.n == 0)
        return conf_fail(ap->error, node, 0, "empty replacement");
    int rc = compile_regex(ap, node, node->argv[1], false, &in.regex, &in.captures);
    if (rc != 0)
        return rc;
    in.drop_args = sv_ends(to, SV("?"));
    if (in.drop_args)
        to.n--;
    in.flag = is_url(to) ? REWRITE_REDIRECT : REWRITE_NONE;
    if (node->argc == 4)
        rc = read_flag(ap, node, &in);
    if (rc == 0)
        rc = template_compile(ap->vars, to, node, &in.replacement, ap->error);
    return rc != 0 ? rc : add(ap, &in);
}

// An `if` in a location is a location without a name: it inherits, and its own directives count
// while it is true. What belongs to the location's identity is copied here.
static int own_nameless_location(struct conf_apply *ap, struct block *b)
{
    const struct location_conf *outer = b->location;
    int rc = block_own_location(ap, b);

    if (rc != 0)
        return rc;
    b->location->name = outer->name;
    b->location->kind = outer->kind;
    b->location->regex = outer->regex;
    b->location->captures = outer->captures;
    return 0;
}

static int set_if(struct conf_apply *ap, const struct conf_directive *row,
                  const struct conf_node *node, void *field)
{
    struct instruction in = {.kind = DO_IF, .body = arena_new(ap->arena, struct program)};
    bool in_location = block_of(ap)->frame.context == CTX_LOCATION;
    struct block *b = block_new(ap, node, in_location ? CTX_IF_LOCATION : CTX_IF_SERVER);

    (void)row;
    (void)field;
    if (b == NULL || in.body == NULL)
        return -ENOMEM;
    b->program = in.body;
    int rc = condition_read(ap, node, &in);
    if (rc == 0 && in_location) {
        rc = own_nameless_location(ap, b);
        in.location = b->location;
    }
    if (rc == 0)
        rc = block_read(ap, b);
    return rc != 0 ? rc : add(ap, &in);
}

enum { IN_REWRITE = IN_SL | CTX_IF_SERVER | CTX_IF_LOCATION };

const struct conf_directive directives_rewrite[] = {
    {.name = "set", .contexts = IN_REWRITE, .args = CONF_ARGS_2, .set = set_set},
    {.name = "if", .contexts = IN_SL, .args = CONF_ARGS_1MORE | CONF_BLOCK, .set = set_if},
    {.name = "return", .contexts = IN_REWRITE, .args = CONF_ARGS_1 | CONF_ARGS_2,
     .set = set_return},
    {.name = "rewrite", .contexts = IN_REWRITE, .args = CONF_ARGS_2 | CONF_ARGS_3,
     .set = set_rewrite},
    {.name = "break", .contexts = IN_REWRITE, .args = CONF_ARGS_0, .set = set_break},
    {.name = NULL},
};
