// SPDX-License-Identifier: Apache-2.0
//
// The engine with a schema of its own: places, shapes, classes, generic setters and inheritance.
#include "lib/conf/schema.h"

#include <criterion/criterion.h>
#include <errno.h>

enum { IN_MAIN = 1, IN_BLOCK = 2, IN_OTHER = 4 };

struct settings {
    int64_t flag, number, size, offset, msec, sec, choice;
    struct sv text;
    struct template *value;
    int64_t kept;
};

static struct arena arena;
static struct var_registry vars;
static struct conf_error error;
static struct settings main_settings, block_settings;
static int notices;

static int enter_block(struct conf_apply *ap, const struct conf_directive *row,
                       const struct conf_node *block, void *field)
{
    struct conf_frame f = {.context = IN_BLOCK, .level = {&main_settings, &block_settings}};

    (void)row;
    (void)field;
    return conf_apply_block(ap, block, &f);
}

static int accept_any(struct conf_apply *ap, const struct conf_directive *row,
                      const struct conf_node *node, void *field)
{
    (void)ap;
    (void)row;
    (void)node;
    (void)field;
    return 0;
}

static const struct conf_enum choices[] = {{"off", 0}, {"before", 2}, {NULL, 0}};

#define FIELD(member) .level = 1, .offset = offsetof(struct settings, member)

static const struct conf_directive table_a[] = {
    {.name = "block", .contexts = IN_MAIN, .args = CONF_ARGS_0 | CONF_BLOCK, .set = enter_block},
    {.name = "flag", .contexts = IN_BLOCK, .args = CONF_ON_OFF, .set = conf_set_flag, FIELD(flag),
     .merge = CONF_MERGE_INT, .default_int = 1},
    {.name = "number", .contexts = IN_BLOCK, .args = CONF_ARGS_1, .set = conf_set_number,
     FIELD(number), .merge = CONF_MERGE_INT, .default_int = 100},
    {.name = "size", .contexts = IN_BLOCK, .args = CONF_ARGS_1, .set = conf_set_size, FIELD(size),
     .merge = CONF_MERGE_INT},
    {.name = "offset", .contexts = IN_BLOCK, .args = CONF_ARGS_1, .set = conf_set_offset,
     FIELD(offset), .merge = CONF_MERGE_INT},
    {.name = "msec", .contexts = IN_BLOCK, .args = CONF_ARGS_1, .set = conf_set_msec, FIELD(msec),
     .merge = CONF_MERGE_INT},
    {.name = "sec", .contexts = IN_BLOCK, .args = CONF_ARGS_1, .set = conf_set_sec, FIELD(sec),
     .merge = CONF_MERGE_INT},
    {0},
};

static const struct conf_directive table_b[] = {
    {.name = "choice", .contexts = IN_BLOCK, .args = CONF_ARGS_1, .set = conf_set_enum,
     FIELD(choice), .aux = choices, .merge = CONF_MERGE_INT, .default_int = 2},
    {.name = "text", .contexts = IN_BLOCK, .args = CONF_ARGS_1, .set = conf_set_sv, FIELD(text),
     .merge = CONF_MERGE_SV, .default_sv = "html"},
    {.name = "value", .contexts = IN_BLOCK, .args = CONF_ARGS_1, .set = conf_set_template,
     FIELD(value), .merge = CONF_MERGE_PTR},
    {.name = "twice", .contexts = IN_OTHER, .args = CONF_ARGS_2, .set = accept_any},
    {.name = "twice", .contexts = IN_BLOCK, .args = CONF_ARGS_1MORE, .set = accept_any},
    {.name = "some", .contexts = CONF_CONTEXT_ANY, .args = CONF_ARGS_0 | CONF_ARGS_2,
     .set = accept_any},
    {.name = "many", .contexts = CONF_CONTEXT_ANY, .args = CONF_ARGS_2MORE, .set = accept_any},
    {.name = "any", .contexts = CONF_CONTEXT_ANY, .args = CONF_ARGS_ANY, .set = accept_any},
    {.name = "types", .contexts = CONF_CONTEXT_ANY, .args = CONF_ARGS_0 | CONF_BLOCK,
     .set = accept_any, .aux = conf_data_block},
    {.name = "use", .contexts = IN_MAIN, .klass = CONF_IGNORED, .reason = "there is one way"},
    {.name = "lua", .contexts = IN_MAIN, .klass = CONF_REJECTED, .reason = "there is no Lua"},
    {0},
};

static const struct conf_directive table_empty[] = {{0}};

static const struct conf_directive *const tables[] = {table_a, table_empty, table_b};
static const struct conf_schema schema = {tables, array_len(tables), NULL};

static void set_up(void)
{
    arena_init(&arena, NULL);
    cr_assert_eq(var_registry_init(&vars, &arena), 0);
    conf_unset(&schema, 1, &block_settings);
}

static void tear_down(void)
{
    arena_reset(&arena);
}

TestSuite(conf_schema, .init = set_up, .fini = tear_down);

static void count_notice(struct conf_apply *ap, const struct conf_node *node,
                         const struct conf_directive *row)
{
    (void)ap;
    cr_expect_str_eq(node->argv[0].p, row->name);
    notices++;
}

static int apply(const char *text)
{
    struct conf_frame f = {.context = IN_MAIN, .level = {&main_settings}};
    struct conf_apply ap = {.arena = &arena,
                            .schema = &schema,
                            .frame = &f,
                            .vars = &vars,
                            .error = &error,
                            .notice = count_notice};
    struct conf_tree tree;

    cr_assert_eq(conf_parse_text(&arena, sv_from(text), "t", NULL, &tree, &error), 0);
    int rc = conf_apply_nodes(&ap, tree.first);
    cr_expect_eq(ap.frame, &f);
    return rc;
}

static void refuse(const char *text, const char *message)
{
    cr_expect_eq(apply(text), -EINVAL, "accepted: %s", text);
    cr_expect_str_eq(error.text, message);
}

Test(conf_schema, sets_fields_by_kind)
{
    cr_assert_eq(apply("block { flag ON; number 7; size 4k; offset 1g; msec 5ms; sec 1y;"
                       " choice Before; text 'a b'; value \"x$y\"; }"), 0, "%s", error.text);
    const struct settings *s = &block_settings;

    cr_expect_eq(s->flag, 1);
    cr_expect_eq(s->number, 7);
    cr_expect_eq(s->size, 4096);
    cr_expect_eq(s->offset, 1 << 30);
    cr_expect_eq(s->msec, 5);
    cr_expect_eq(s->sec, 31536000);
    cr_expect_eq(s->choice, 2);
    cr_expect(sv_eq(s->text, SV("a b")));
    cr_expect_eq(s->value->nparts, 2);
}

Test(conf_schema, refuses_wrong_places)
{
    refuse("nope;", "unknown directive \"nope\" in t:1");
    refuse("\nflag on;", "\"flag\" directive is not allowed here in t:2");
    refuse("block {\nblock {}\n}", "\"block\" directive is not allowed here in t:2");
}

Test(conf_schema, refuses_wrong_shapes)
{
    refuse("block;", "directive \"block\" has no opening \"{\" in t:1");
    refuse("block { flag on {} }", "directive \"flag\" is not terminated by \";\" in t:1");
    refuse("block x {}", "invalid number of arguments in \"block\" directive in t:1");
    refuse("block { flag; }", "invalid number of arguments in \"flag\" directive in t:1");
    refuse("block { number 1 2; }", "invalid number of arguments in \"number\" directive in t:1");
    refuse("some 1;", "invalid number of arguments in \"some\" directive in t:1");
    refuse("many 1;", "invalid number of arguments in \"many\" directive in t:1");
    refuse("block { twice; }", "invalid number of arguments in \"twice\" directive in t:1");
    refuse("some 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30"
           " 31 32 33 34;", "invalid number of arguments in \"some\" directive in t:1");
}

Test(conf_schema, accepts_the_shapes_a_row_lists)
{
    cr_expect_eq(apply("some; some 1 2; many 1 2; many 1 2 3 4 5 6 7 8 9; any; any 1;"), 0, "%s",
                 error.text);
    cr_expect_eq(apply("block { twice 1; twice 1 2 3; }"), 0, "%s", error.text);
}

Test(conf_schema, refuses_wrong_values)
{
    refuse("block { flag yes; }",
           "invalid value \"yes\" in \"flag\" directive, it must be \"on\" or \"off\" in t:1");
    refuse("block { number x; }", "\"number\" directive invalid number in t:1");
    refuse("block { size 1g; }", "\"size\" directive invalid value in t:1");
    refuse("block { msec 1y; }", "\"msec\" directive invalid value in t:1");
    refuse("block { choice after; }", "invalid value \"after\" in t:1");
    refuse("block { value $; }", "invalid variable name in t:1");
}

Test(conf_schema, refuses_duplicates)
{
    static const char *const lines[] = {"flag on", "number 1", "size 1",   "choice off",
                                        "text ''", "value a",  "offset 1", "sec 1"};

    for (size_t i = 0; i < array_len(lines); i++) {
        struct sv name = sv_take(sv_from(lines[i]), strcspn(lines[i], " "));
        conf_unset(&schema, 1, &block_settings);
        refuse(arena_printf(&arena, "block { %s; %s; }", lines[i], lines[i]).p,
               arena_printf(&arena, "\"%.*s\" directive is duplicate in t:1", SV_ARG(name)).p);
    }
}

Test(conf_schema, a_refused_value_sets_nothing)
{
    cr_expect_eq(apply("block { number 99999999999999999999; }"), -EINVAL);
    cr_expect_eq(block_settings.number, CONF_UNSET);
}

Test(conf_schema, ignored_directives_are_noticed_and_not_looked_into)
{
    notices = 0;
    cr_expect_eq(apply("use epoll; use a b c; use { nope; }"), 0, "%s", error.text);
    cr_expect_eq(notices, 3);
    refuse("block { use epoll; }", "\"use\" directive is not allowed here in t:1");
}

Test(conf_schema, rejected_directives_say_why)
{
    refuse("lua;", "directive \"lua\" is not supported: there is no Lua in t:1");
}

static int parse_with_head(const char *text)
{
    struct conf_options o = {.head = conf_schema_head, .ctx = (void *)&schema};
    struct conf_tree tree;

    return conf_parse_text(&arena, sv_from(text), "t", &o, &tree, &error);
}

Test(conf_schema, head_refuses_names_before_later_faults)
{
    cr_expect_eq(parse_with_head("block {\nnope 1;\n}}}"), -EINVAL);
    cr_expect_str_eq(error.text, "unknown directive \"nope\" in t:2");
    cr_expect_eq(parse_with_head("lua {\n ngx.say(\"}\")\n }"), -EINVAL);
    cr_expect_str_eq(error.text, "directive \"lua\" is not supported: there is no Lua in t:1");
}

Test(conf_schema, head_leaves_data_blocks_alone)
{
    cr_expect_eq(parse_with_head("types { text/html html; lua x; }"), 0, "%s", error.text);
    cr_expect_eq(parse_with_head("use x { a { b; } }"), 0, "%s", error.text);
    cr_expect_eq(parse_with_head("types { a { b; } }"), -EINVAL);
    cr_expect_str_eq(error.text, "unexpected \"{\" in t:1");
    cr_expect_eq(parse_with_head("flag on;"), 0, "places are not the head's business");
}

Test(conf_schema, unset_touches_only_what_merges)
{
    struct settings s = {.kept = 5};

    conf_unset(&schema, 1, &s);
    cr_expect_eq(s.flag, CONF_UNSET);
    cr_expect_null(s.text.p);
    cr_expect_eq((void *)s.value, CONF_UNSET_PTR);
    cr_expect_eq(s.kept, 5);
    conf_unset(&schema, 0, &s);
    cr_expect_eq(s.kept, 5);
}

Test(conf_schema, merge_inherits_then_defaults)
{
    struct settings outer, inner;
    struct template t = {0};

    conf_unset(&schema, 1, &outer);
    conf_unset(&schema, 1, &inner);
    outer.flag = 0;
    outer.text = SV("outer");
    outer.value = &t;
    inner.number = 3;
    conf_merge(&schema, 1, &outer, &inner);
    cr_expect_eq(inner.flag, 0);
    cr_expect_eq(inner.number, 3);
    cr_expect_eq(inner.choice, 2, "neither set it");
    cr_expect(sv_eq(inner.text, SV("outer")));
    cr_expect_eq(inner.value, &t);
}

Test(conf_schema, merge_keeps_what_was_set_to_nothing)
{
    struct settings outer, inner;
    struct template t = {0};

    conf_unset(&schema, 1, &outer);
    conf_unset(&schema, 1, &inner);
    outer.text = SV("outer");
    outer.value = &t;
    inner.text = SV("");
    inner.value = NULL;
    conf_merge(&schema, 1, &outer, &inner);
    cr_expect_eq(inner.text.n, 0);
    cr_expect_null(inner.value);
}

Test(conf_schema, merge_without_parent_gives_defaults)
{
    conf_merge(&schema, 1, NULL, &block_settings);
    cr_expect_eq(block_settings.flag, 1);
    cr_expect_eq(block_settings.number, 100);
    cr_expect(sv_eq(block_settings.text, SV("html")));
    cr_expect_null(block_settings.value);
}
