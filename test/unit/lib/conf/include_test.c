// SPDX-License-Identifier: Apache-2.0
//
// `include`: splicing, globs, what is recorded, and paths that are not what they seem.
#include <criterion/criterion.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/conf/parse.h"

static struct arena arena;
static struct conf_tree tree;
static struct conf_error error;
static char dir[64];

static void set_up(void)
{
    arena_init(&arena, NULL);
    strcpy(dir, "/tmp/conf-include-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    strcat(dir, "/");
}

static void tear_down(void)
{
    char command[128];

    arena_reset(&arena);
    snprintf(command, sizeof(command), "rm -r '%s'", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(conf_include, .init = set_up, .fini = tear_down);

static const char *path_of(const char *name)
{
    return arena_printf(&arena, "%s%s", dir, name).p;
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "w");

    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
}

static int parse(const char *main_text)
{
    struct conf_options o = {.prefix = dir};

    put("main", main_text);
    return conf_parse_file(&arena, path_of("main"), &o, &tree, &error);
}

// In `message` each @ stands for the directory.
static void expect_error(const char *main_text, const char *message)
{
    char want[512] = "";

    for (const char *m = message; *m != '\0'; m++)
        strncat(want, *m == '@' ? dir : m, *m == '@' ? sizeof(dir) : 1);
    cr_expect_eq(parse(main_text), -EINVAL);
    cr_expect_str_eq(error.text, want);
}

Test(conf_include, splices_children_with_their_own_place)
{
    put("part", "\nx 1;\ny {}\n");
    cr_assert_eq(parse("a {\ninclude part;\nz;\n}"), 0, "%s", error.text);
    struct conf_node *x = tree.first->children;

    cr_expect_str_eq(x->argv[0].p, "x");
    cr_expect_str_eq(x->file, path_of("part"));
    cr_expect_eq(x->line, 2);
    cr_expect_eq(x->parent, tree.first);
    cr_expect_str_eq(x->next->argv[0].p, "y");
    cr_expect_str_eq(x->next->next->argv[0].p, "z");
    cr_expect_str_eq(x->next->next->file, path_of("main"));
    cr_expect_eq(x->next->next->line, 3);
}

Test(conf_include, records_each_path_once_in_order)
{
    put("b", "b;");
    put("c", "include b;");
    cr_assert_eq(parse("include c; include b; include b;"), 0, "%s", error.text);
    cr_expect_str_eq(tree.files->path, path_of("main"));
    cr_expect_str_eq(tree.files->next->path, path_of("c"));
    cr_expect_str_eq(tree.files->next->next->path, path_of("b"));
    cr_expect(sv_eq(tree.files->next->next->text, SV("b;")));
    cr_expect_null(tree.files->next->next->next);
    cr_expect_str_eq(tree.first->next->next->argv[0].p, "b");
}

Test(conf_include, expands_globs_in_order)
{
    put("2.conf", "second;");
    put("1.conf", "first;");
    put("3.txt", "third;");
    cr_assert_eq(parse("include *.conf;"), 0, "%s", error.text);
    cr_expect_str_eq(tree.first->argv[0].p, "first");
    cr_expect_str_eq(tree.first->next->argv[0].p, "second");
    cr_expect_null(tree.first->next->next);
}

Test(conf_include, a_glob_without_match_is_no_error)
{
    cr_expect_eq(parse("include none/*.conf; a;"), 0);
    cr_expect_str_eq(tree.first->argv[0].p, "a");
}

Test(conf_include, many_files_are_found_again)
{
    for (int i = 0; i < 100; i++)
        put(arena_printf(&arena, "n%03d.conf", i).p, "a;");
    cr_assert_eq(parse("include n*.conf; include n*.conf;"), 0, "%s", error.text);
    int files = 0, nodes = 0;

    for (struct conf_file *f = tree.files; f != NULL; f = f->next)
        files++;
    for (struct conf_node *n = tree.first; n != NULL; n = n->next)
        nodes++;
    cr_expect_eq(files, 101);
    cr_expect_eq(nodes, 200);
}

Test(conf_include, missing_file_is_named_at_the_include)
{
    expect_error("\ninclude none;", "open() \"@none\" failed (2: No such file or directory)"
                                    " in @main:2");
    cr_expect_eq(error.err, ENOENT);
}

Test(conf_include, missing_main_file_has_no_place)
{
    cr_expect_eq(conf_parse_file(&arena, "/nonexistent/x", NULL, &tree, &error), -EINVAL);
    cr_expect_str_eq(error.text,
                     "open() \"/nonexistent/x\" failed (2: No such file or directory)");
}

Test(conf_include, wrong_shapes_are_refused)
{
    expect_error("include;", "invalid number of arguments in \"include\" directive in @main:1");
    expect_error("include a b;",
                 "invalid number of arguments in \"include\" directive in @main:1");
    expect_error("include a {}",
                 "directive \"include\" is not terminated by \";\" in @main:1");
}

Test(conf_include, blocks_do_not_reach_across_files)
{
    put("close", "}");
    put("open", "b {");
    expect_error("a { include close;", "unexpected \"}\" in @close:1");
    expect_error("include open; }",
                 "unexpected end of file, expecting \"}\" in @open:1");
}

Test(conf_include, a_cycle_is_an_error)
{
    put("other", "include main;");
    expect_error("include main;", "\"@main\" includes itself in @main:1");
    expect_error("include other;", "\"@main\" includes itself in @other:1");
    expect_error("include m*;", "\"@main\" includes itself in @main:1");
}

Test(conf_include, a_long_chain_is_an_error)
{
    for (int i = 0; i < 70; i++)
        put(arena_printf(&arena, "c%d", i).p, arena_printf(&arena, "include c%d;", i + 1).p);
    put("c70", "a;");
    expect_error("include c0;", "files include each other more than 64 deep in @c62:1");
}

Test(conf_include, files_that_double_are_stopped, .timeout = 60)
{
    for (int i = 0; i < 40; i++)
        put(arena_printf(&arena, "d%d", i).p,
            arena_printf(&arena, "include d%d;include d%d;", i + 1, i + 1).p);
    put("d40", "");
    cr_expect_eq(parse("include d0;"), -EINVAL);
    cr_expect_not_null(strstr(error.text, "more than 100000 files are included"));
}

Test(conf_include, a_fifo_does_not_hang, .timeout = 10)
{
    cr_assert_eq(mkfifo(path_of("fifo"), 0600), 0);
    expect_error("include fifo;", "\"@fifo\" is not a regular file in @main:1");
}

Test(conf_include, directories_and_devices_are_refused)
{
    cr_assert_eq(mkdir(path_of("d"), 0700), 0);
    expect_error("include d;", "read() \"@d\" failed (21: Is a directory) in @main:1");
    cr_expect_eq(parse("include /dev/zero;"), -EINVAL);
    cr_expect(sv_starts(sv_from(error.text), SV("\"/dev/zero\" is not a regular file in ")));
}

Test(conf_include, a_file_too_large_is_not_read)
{
    put("large", "");
    cr_assert_eq(truncate(path_of("large"), (off_t)CONF_FILE_MAX + 1), 0);
    expect_error("include large;", "read() \"@large\" failed (27: File too large) in @main:1");
}

Test(conf_include, works_from_the_command_line)
{
    struct conf_options o = {.prefix = dir};

    put("blocks", "a { b; }");
    cr_expect_eq(conf_parse_text(&arena, SV("include blocks;"), "command line", &o, &tree, &error),
                 0, "%s", error.text);
    cr_expect_str_eq(tree.first->children->argv[0].p, "b");
    cr_expect_eq(conf_parse_text(&arena, SV("include no;"), "command line", &o, &tree, &error),
                 -EINVAL);
    cr_expect(sv_ends(sv_from(error.text), SV(" in command line")));
}
