// SPDX-License-Identifier: Apache-2.0
//
// Variables in values: what compiles, what is read, and who owns the result.
#include "lib/conf/template.h"

#include <criterion/criterion.h>
#include <errno.h>

static struct arena arena;
static struct var_registry vars;
static struct conf_error error;
static struct conf_node node = {.file = "t.conf", .line = 3};
static int reads;

static bool get_data(void *ctx, const struct var *v, struct sv *out)
{
    (void)ctx;
    *out = sv_from((const char *)v->data);
    return true;
}

static bool get_suffix(void *ctx, const struct var *v, struct sv *out)
{
    (void)ctx;
    *out = v->suffix;
    return true;
}

static bool get_none(void *ctx, const struct var *v, struct sv *out)
{
    (void)ctx;
    (void)v;
    (void)out;
    return false;
}

static bool read_var(void *ctx, const struct var *v, struct sv *out)
{
    reads++;
    return v->get(ctx, v, out);
}

static bool read_capture(void *ctx, int n, struct sv *out)
{
    (void)ctx;
    *out = n == 1 ? SV("one") : SV("nine");
    return n == 1 || n == 9;
}

static const struct template_reader reader = {read_var, read_capture};

static void define(const char *name, var_get_fn get, const char *data, uint32_t flags)
{
    struct var v = {
        .name = sv_from(name), .get = get, .data = (uintptr_t)data, .flags = flags};

    cr_assert_eq(var_define(&vars, &v, NULL), 0);
}

static void set_up(void)
{
    arena_init(&arena, NULL);
    cr_assert_eq(var_registry_init(&vars, &arena), 0);
    define("host", get_data, "example.org", 0);
    define("uri", get_data, "/x", VAR_CACHED);
    define("empty", get_none, NULL, 0);
    define("arg_", get_suffix, NULL, VAR_PREFIX);
    define("arg_long_", get_data, "long", VAR_PREFIX | VAR_CACHED);
}

static void tear_down(void)
{
    arena_reset(&arena);
}

TestSuite(template, .init = set_up, .fini = tear_down);

static struct template *compile(const char *text)
{
    struct template *t = NULL;
    int rc = template_compile(&vars, sv_from(text), &node, &t, &error);

    cr_assert_eq(rc, 0, "%s: %s", text, error.text);
    cr_expect(sv_eq(t->source, sv_from(text)));
    return t;
}

static void expect(const char *text, const char *want)
{
    struct sv got;

    cr_assert_eq(template_eval(compile(text), &reader, NULL, &arena, &got), 0);
    cr_expect(sv_eq(got, sv_from(want)), "%s gives %.*s", text, SV_ARG(got));
}

static void refuse(const char *text, const char *message)
{
    struct template *t;

    cr_expect_eq(template_compile(&vars, sv_from(text), &node, &t, &error), -EINVAL,
                 "accepted: %s", text);
    cr_expect_str_eq(error.text, message);
}

Test(template, joins_literals_and_variables)
{
    expect("https://$host$uri?a", "https://example.org/x?a");
    expect("$host", "example.org");
    expect("${host}name-$host-", "example.orgname-example.org-");
    expect("$HOST ${Uri}", "example.org /x");
}

Test(template, captures_have_one_digit)
{
    expect("$1", "one");
    expect("a$10b", "aone0b");
    expect("$9$2.", "nine.");
}

Test(template, a_variable_without_value_contributes_nothing)
{
    expect("<$empty>", "<>");
    expect("$empty", "");
    expect("$empty$empty", "");
}

Test(template, text_without_dollar_is_constant_and_copied)
{
    struct template *t = compile("a {b} \\ c");
    struct sv got;

    cr_expect(t->constant);
    cr_assert_eq(template_eval(t, NULL, NULL, NULL, &got), 0);
    cr_expect(sv_eq(got, SV("a {b} \\ c")));
    expect("", "");
}

Test(template, a_single_variable_is_not_copied)
{
    struct template *t = compile("$host");
    struct sv got;

    cr_assert_eq(template_eval(t, &reader, NULL, NULL, &got), 0);
    cr_expect_eq((uintptr_t)got.p, vars.all->data);
}

Test(template, each_part_is_read_once)
{
    reads = 0;
    expect("$host-$uri", "example.org-/x");
    cr_expect_eq(reads, 2);
}

Test(template, more_parts_than_the_stack_holds)
{
    char text[512] = "", want[512] = "";

    for (int i = 0; i < 40; i++) {
        strcat(text, "$uri,");
        strcat(want, "/x,");
    }
    expect(text, want);
}

Test(template, refuses_malformed_references)
{
    refuse("a$", "invalid variable name in t.conf:3");
    refuse("$-", "invalid variable name in t.conf:3");
    refuse("${", "invalid variable name in t.conf:3");
    refuse("${}", "invalid variable name in t.conf:3");
    refuse("$$host", "invalid variable name in t.conf:3");
    refuse("${host", "the closing bracket in \"host\" variable is missing in t.conf:3");
    refuse("${ho-st}", "the closing bracket in \"ho\" variable is missing in t.conf:3");
}

Test(template, the_longest_prefix_resolves)
{
    expect("$arg_Name", "name");
    expect("$arg_long_x", "long");
    expect("<$arg_>", "<>");
    struct var *a = var_refer(&vars, SV("arg_long_y"), NULL);
    struct var *b = var_refer(&vars, SV("ARG_LONG_Z"), NULL);

    cr_expect(a->slot != 0 && b->slot != 0 && a->slot != b->slot);
    cr_expect(sv_eq(b->suffix, SV("z")));
    cr_expect_eq(b->flags & (VAR_PREFIX | VAR_WEAK), 0);
    cr_expect_eq(var_refer(&vars, SV("Arg_Long_Y"), NULL), a);
}

Test(template, a_definition_goes_before_a_prefix)
{
    struct template *t = compile("$arg_own");
    struct sv got;

    define("arg_own", get_data, "own", VAR_CHANGEABLE);
    cr_assert_eq(template_eval(t, &reader, NULL, &arena, &got), 0);
    cr_expect(sv_eq(got, SV("own")));
}

Test(template, a_reference_may_come_before_the_definition)
{
    struct template *t = compile("<$late>");
    struct sv got;

    cr_expect_eq(var_registry_check(&vars, &error), -EINVAL);
    cr_expect_str_eq(error.text, "unknown \"late\" variable in t.conf:3");
    define("late", get_data, "v", VAR_CACHED);
    cr_expect_eq(var_registry_check(&vars, &error), 0);
    cr_assert_eq(template_eval(t, &reader, NULL, &arena, &got), 0);
    cr_expect(sv_eq(got, SV("<v>")));
    cr_expect_neq(var_refer(&vars, SV("late"), NULL)->slot, 0);
}

Test(template, only_changeable_variables_are_defined_again)
{
    struct var v = {.name = SV("HOST"), .get = get_none};
    struct var *out;

    cr_expect_eq(var_define(&vars, &v, NULL), -EEXIST);
    v.name = SV("mine");
    v.flags = VAR_CHANGEABLE | VAR_CACHED;
    cr_expect_eq(var_define(&vars, &v, &out), 0);
    uint32_t slot = out->slot;
    v.get = get_data;
    v.data = (uintptr_t)"2";
    cr_expect_eq(var_define(&vars, &v, &out), 0);
    cr_expect_eq(out->slot, slot);
    expect("$mine", "2");
    v.name = SV("");
    cr_expect_eq(var_define(&vars, &v, NULL), -EINVAL);
}

Test(template, the_registry_grows)
{
    for (int i = 0; i < 2000; i++)
        define(arena_printf(&arena, "v%d", i).p, get_data, "x", VAR_CACHED);
    expect("$v0$v1999$host", "xxexample.org");
    cr_expect_eq(var_refer(&vars, SV("v1999"), NULL)->slot, vars.slots - 1);
}
