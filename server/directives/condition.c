// SPDX-License-Identifier: Apache-2.0
//
// "($x)", "($x = y)", "($x ~ regex)", "(-f name)": nginx's conditions. The parentheses may stand
// alone or touch the words next to them, and words are what the lexer made of them.
#include "server/directives/condition.h"

#include "server/directives/rows_priv.h"
#include "server/request/program.h"

struct words {
    struct sv at[3];
    unsigned n;
};

static int fail_condition(struct conf_apply *ap, const struct conf_node *node, struct sv word)
{
    return conf_fail(ap->error, node, 0, "invalid condition \"%.*s\"", SV_ARG(word));
}

// The words between the parentheses: one to three.
static int take_words(struct conf_apply *ap, const struct conf_node *node, struct words *w)
{
    unsigned from = 1, to = node->argc - 1;
    struct sv first = node->argv[1];

    if (!sv_starts(first, SV("(")))
        return fail_condition(ap, node, first);
    first = sv_of(first.p + 1, first.n - 1);
    if (first.n == 0 && to > 1)
        first = node->argv[++from];
    struct sv last = from == to ? first : node->argv[to];
    if (!sv_ends(last, SV(")")))
        return fail_condition(ap, node, last);
    if (last.n == 1)
        to--;
    if (from > to || to - from > 2)
        return fail_condition(ap, node, first);
    for (unsigned i = from; i <= to; i++) {
        struct sv word = i == from ? first : node->argv[i];
        if (i == node->argc - 1)
            word.n--;
        w->at[w->n++] = word;
    }
    return 0;
}

static int read_pattern(struct conf_apply *ap, const struct conf_node *node, struct sv op,
                        struct sv pattern, struct instruction *in)
{
    in->condition = op.p[0] == '!' ? IF_NOT_MATCH : IF_MATCH;
    // A word that lost its parenthesis is not terminated behind its end; the compiler needs no end.
    return compile_regex(ap, node, pattern, sv_ends(op, SV("*")), &in->regex, &in->captures);
}

static int read_comparison(struct conf_apply *ap, const struct conf_node *node,
                           const struct words *w, struct instruction *in)
{
    struct sv op = w->at[1];

    if (sv_eq(op, SV("=")) || sv_eq(op, SV("!="))) {
        in->condition = op.n == 1 ? IF_EQUAL : IF_NOT_EQUAL;
        return template_compile(ap->vars, w->at[2], node, &in->value, ap->error);
    }
    if (sv_eq(op, SV("~")) || sv_eq(op, SV("~*")) || sv_eq(op, SV("!~")) || sv_eq(op, SV("!~*")))
        return read_pattern(ap, node, op, w->at[2], in);
    return conf_fail(ap->error, node, 0, "unexpected \"%.*s\" in condition", SV_ARG(op));
}

static int read_variable(struct conf_apply *ap, const struct conf_node *node,
                         const struct words *w, struct instruction *in)
{
    if (w->n == 2)
        return fail_condition(ap, node, w->at[0]);
    in->var = var_refer(ap->vars, sv_skip(w->at[0], 1), node);
    if (in->var == NULL)
        return -ENOMEM;
    in->condition = IF_VALUE;
    return w->n == 3 ? read_comparison(ap, node, w, in) : 0;
}

static const struct test {
    const char *text;
    enum condition_kind kind;
} tests[] = {
    {"-f", IF_FILE},   {"!-f", IF_NOT_FILE},   {"-d", IF_DIR},  {"!-d", IF_NOT_DIR},
    {"-e", IF_EXISTS}, {"!-e", IF_NOT_EXISTS}, {"-x", IF_EXEC}, {"!-x", IF_NOT_EXEC},
};

static int read_test(struct conf_apply *ap, const struct conf_node *node, const struct words *w,
                     struct instruction *in)
{
    for (size_t i = 0; w->n == 2 && i < array_len(tests); i++) {
        if (!sv_eq(w->at[0], sv_from(tests[i].text)))
            continue;
        in->condition = tests[i].kind;
        return template_compile(ap->vars, w->at[1], node, &in->value, ap->error);
    }
    return fail_condition(ap, node, w->at[0]);
}

int condition_read(struct conf_apply *ap, const struct conf_node *node, struct instruction *in)
{
    struct words w = {.n = 0};
    int rc = take_words(ap, node, &w);

    if (rc != 0)
        return rc;
    if (w.at[0].n > 1 && w.at[0].p[0] == '$')
        return read_variable(ap, node, &w, in);
    return read_test(ap, node, &w, in);
}
