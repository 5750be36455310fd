// SPDX-License-Identifier: Apache-2.0
//
// The grammar: words, blocks, messages and the lines they name. Expectations were compared with
// what nginx -t says about the same text.
#include "lib/conf/parse.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

static struct arena arena;
static struct conf_tree tree;
static struct conf_error error;

static void set_up(void)
{
    arena_init(&arena, NULL);
}

static void tear_down(void)
{
    arena_reset(&arena);
}

TestSuite(conf_parse, .init = set_up, .fini = tear_down);

static int parse_n(const char *text, size_t n)
{
    return conf_parse_text(&arena, sv_of(text, n), "t.conf", NULL, &tree, &error);
}

static int parse(const char *text)
{
    return parse_n(text, strlen(text));
}

static void expect_error(const char *text, const char *message)
{
    cr_expect_eq(parse(text), -EINVAL, "accepted: %s", text);
    cr_expect_str_eq(error.text, message, "for: %s", text);
}

// One directive `d`: its words after the name, joined by "|".
static void expect_words(const char *text, const char *joined)
{
    char got[256] = "";

    cr_assert_eq(parse(text), 0, "%s", error.text);
    for (unsigned i = 1; i < tree.first->argc; i++) {
        strcat(got, i > 1 ? "|" : "");
        strcat(got, tree.first->argv[i].p);
        cr_expect_eq(strlen(tree.first->argv[i].p), tree.first->argv[i].n);
    }
    cr_expect_str_eq(got, joined, "for: %s", text);
}

Test(conf_parse, splits_words_at_blanks)
{
    expect_words("d a\tb\r\nc ;", "a|b|c");
    expect_words("d;", "");
    expect_words("d ;", "");
    expect_words("\n# only\nd a # end\nb;#x", "a|b");
}

Test(conf_parse, resolves_quotes_and_escapes)
{
    expect_words("d \"a b\" 'c \"d\"' \"\";", "a b|c \"d\"|");
    expect_words("d \"a\\\"b\" 'c\\'d' e\\\\f;", "a\"b|c'd|e\\f");
    expect_words("d a\\tb\\r\\nc;", "a\tb\r\nc");
    expect_words("d \\.x$ ^/\\w+$;", "\\.x$|^/\\w+$");
}

Test(conf_parse, keeps_a_backslash_before_other_characters)
{
    expect_words("d a\\ b a\\;b \\{ \\#x;", "a\\ b|a\\;b|\\{|\\#x");
}

Test(conf_parse, quote_and_sharp_inside_a_word_are_ordinary)
{
    expect_words("d a\"b\"c x#y it's;", "a\"b\"c|x#y|it's");
    expect_words("d a} b}c;", "a}|b}c");
}

Test(conf_parse, dollar_brace_does_not_open_a_block)
{
    expect_words("d ${a}b x${c}y \"${d}\" $${e};", "${a}b|x${c}y|${d}|$${e}");
}

Test(conf_parse, closing_parenthesis_may_follow_a_quote)
{
    expect_words("d ($a = \"b\") x;", "($a|=|b|)|x");
}

Test(conf_parse, builds_the_tree)
{
    cr_assert_eq(parse("a;\nb x {\n c {}\n d 1;\n}\ne;"), 0, "%s", error.text);
    struct conf_node *b = tree.first->next;
    struct conf_node *c = b->children;

    cr_expect_null(tree.first->parent);
    cr_expect_not(tree.first->block);
    cr_expect(b->block);
    cr_expect_eq(b->argc, 2);
    cr_expect_str_eq(b->next->argv[0].p, "e");
    cr_expect_null(b->next->next);
    cr_expect_str_eq(c->argv[0].p, "c");
    cr_expect(c->block);
    cr_expect_null(c->children);
    cr_expect_eq(c->parent, b);
    cr_expect_str_eq(c->next->argv[1].p, "1");
    cr_expect_eq(c->next->parent, b);
    cr_expect_null(tree.files, "text from memory is no file");
}

Test(conf_parse, line_is_that_of_the_terminator_as_in_nginx)
{
    cr_assert_eq(parse("\na\n  b\n;\n\"c\nd\" {\n}\n"), 0);
    cr_expect_eq(tree.first->line, 4);
    cr_expect_eq(tree.first->next->line, 6);
    cr_expect_str_eq(tree.first->file, "t.conf");
}

Test(conf_parse, names_the_fault_and_its_line)
{
    expect_error("a", "unexpected end of file, expecting \";\" or \"}\" in t.conf:1");
    expect_error("a b\n\n", "unexpected end of file, expecting \";\" or \"}\" in t.conf:3");
    expect_error("a \"b", "unexpected end of file, expecting \";\" or \"}\" in t.conf:1");
    expect_error("a \"b\"", "unexpected end of file, expecting \";\" or \"}\" in t.conf:1");
    expect_error("a {\nb;\n", "unexpected end of file, expecting \"}\" in t.conf:3");
    expect_error("a;\n}", "unexpected \"}\" in t.conf:2");
    expect_error("a {\nb }", "unexpected \"}\" in t.conf:2");
    expect_error(";", "unexpected \";\" in t.conf:1");
    expect_error("\n{", "unexpected \"{\" in t.conf:2");
    expect_error("a;;", "unexpected \";\" in t.conf:1");
    expect_error("a \"b\"c;", "unexpected \"c\" in t.conf:1");
    expect_error("a 'b'#c\n;", "unexpected \"#\" in t.conf:1");
}

Test(conf_parse, limits_the_length_of_a_word)
{
    char text[CONF_TOKEN_MAX + 16];

    memset(text, 'x', sizeof(text));
    text[CONF_TOKEN_MAX - 1] = ';';
    cr_expect_eq(parse_n(text, CONF_TOKEN_MAX), 0, "%s", error.text);
    text[CONF_TOKEN_MAX - 1] = 'x';
    text[CONF_TOKEN_MAX] = ';';
    cr_expect_eq(parse_n(text, CONF_TOKEN_MAX + 1), -EINVAL);
    cr_expect_str_eq(error.text, "too long parameter \"xxxxxxxxxx...\" started in t.conf:1");
}

Test(conf_parse, a_forgotten_quote_is_reported_where_it_began)
{
    char text[2 * CONF_TOKEN_MAX];

    memset(text, '\n', sizeof(text));
    memcpy(text, "a;\nb \"", 6);
    cr_expect_eq(parse_n(text, sizeof(text)), -EINVAL);
    cr_expect_str_eq(error.text, "too long parameter, probably missing terminating \"\"\" character"
                                 " in t.conf:2");
}

Test(conf_parse, a_comment_may_be_long)
{
    char text[2 * CONF_TOKEN_MAX];

    memset(text, '#', sizeof(text));
    cr_expect_eq(parse_n(text, sizeof(text)), 0, "%s", error.text);
    cr_expect_null(tree.first);
}

Test(conf_parse, refuses_nul_because_paths_would_end_there)
{
    cr_expect_eq(parse_n("a b\0c;", 6), -EINVAL);
    cr_expect_str_eq(error.text, "unexpected NUL character in t.conf:1");
    cr_expect_eq(parse_n("a \"b\0c\";", 8), -EINVAL);
    cr_expect_eq(parse_n("# \0\na;", 6), 0, "in a comment it does no harm");
}

Test(conf_parse, limits_the_depth_of_blocks)
{
    char text[4 * CONF_DEPTH_MAX + 8] = "";

    for (int i = 0; i < CONF_DEPTH_MAX; i++)
        strcat(text, "a{");
    for (int i = 0; i < CONF_DEPTH_MAX; i++)
        strcat(text, "}");
    cr_expect_eq(parse(text), 0, "%s", error.text);
    memmove(text + 2, text, strlen(text) + 1);
    cr_expect_eq(parse(text), -EINVAL);
    cr_expect_str_eq(error.text, "blocks are nested more than 64 deep in t.conf:1");
}

static int parse_command_line(const char *text)
{
    return conf_parse_text(&arena, sv_from(text), "command line", NULL, &tree, &error);
}

Test(conf_parse, command_line_has_its_own_messages)
{
    cr_expect_eq(parse_command_line("daemon off; pid x;"), 0);
    cr_expect_str_eq(tree.first->next->argv[0].p, "pid");
    cr_expect_eq(parse_command_line("daemon off"), -EINVAL);
    cr_expect_str_eq(error.text, "unexpected end of parameter, expecting \";\" in command line");
    cr_expect_eq(parse_command_line("events {}"), -EINVAL);
    cr_expect_str_eq(error.text, "block directives are not supported in -g option in command line");
}

static int refuse_b(void *ctx, const struct conf_node *node, struct conf_error *e)
{
    ++*(int *)ctx;
    if (strcmp(node->argv[0].p, "b") == 0)
        return conf_fail(e, node, 0, "no \"%s\"", "b");
    return 0;
}

Test(conf_parse, head_is_asked_before_what_follows_is_parsed)
{
    int calls = 0;
    struct conf_options o = {.head = refuse_b, .ctx = &calls};
    int rc = conf_parse_text(&arena, SV("a {\nb {\n ; } }"), "t.conf", &o, &tree, &error);

    cr_expect_eq(rc, -EINVAL);
    cr_expect_str_eq(error.text, "no \"b\" in t.conf:2");
    cr_expect_eq(calls, 2);
}

Test(conf_parse, a_long_message_keeps_its_place)
{
    char name[1000];
    struct conf_node node = {.file = "/etc/x.conf", .line = 7};

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    cr_expect_eq(conf_fail(&error, &node, ENOENT, "open() \"%s\" failed", name), -EINVAL);
    cr_expect_eq(strlen(error.text), sizeof(error.text) - 1);
    cr_expect(sv_ends(sv_from(error.text),
                      SV("nnn... (2: No such file or directory) in /etc/x.conf:7")));
    cr_expect_eq(error.err, ENOENT);

    node.file = name;
    conf_fail(&error, &node, 0, "bad");
    cr_expect(sv_starts(sv_from(error.text), SV("bad in ...nnn")));
    cr_expect(sv_ends(sv_from(error.text), SV("nnn:7")));
}
