// SPDX-License-Identifier: Apache-2.0
//
// Options as nginx takes them, and the paths they come to.
#include "server/process/cmdline_priv.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PARSE(...)                                                                      \
    char *const argv[] = {"millrace", __VA_ARGS__, NULL};                               \
    struct cmdline c;                                                                   \
    char why[256] = "";                                                                 \
    int rc = cmdline_parse((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv, &c, why,    \
                           sizeof(why))

Test(cmdline, flags_may_be_written_together)
{
    PARSE("-tq", "-V");
    cr_assert_eq(rc, 0);
    cr_assert(c.test && c.quiet && c.version && c.configure);
    cr_assert(!c.dump && !c.help);
}

Test(cmdline, question_mark_and_h_are_help)
{
    PARSE("-?");
    cr_assert(rc == 0 && c.help && c.version);
}

Test(cmdline, big_t_tests_and_dumps)
{
    PARSE("-T");
    cr_assert(rc == 0 && c.test && c.dump);
}

Test(cmdline, a_value_follows_at_once_or_as_the_next_word)
{
    PARSE("-cfile", "-p", "dir", "-qe", "log", "-g", "daemon off;", "-s", "reload");
    cr_assert_eq(rc, 0, "%s", why);
    cr_assert_str_eq(c.conf_file, "file");
    cr_assert_str_eq(c.prefix, "dir");
    cr_assert(c.quiet);
    cr_assert_str_eq(c.error_log, "log");
    cr_assert_str_eq(c.globals, "daemon off;");
    cr_assert_str_eq(c.signal, "reload");
}

Test(cmdline, a_value_may_look_like_an_option)
{
    PARSE("-c", "-t");
    cr_assert_eq(rc, 0);
    cr_assert_str_eq(c.conf_file, "-t");
    cr_assert(!c.test);
}

Test(cmdline, an_unknown_letter_is_named)
{
    PARSE("-tx");
    cr_assert_eq(rc, -EINVAL);
    cr_assert_str_eq(why, "invalid option: \"x\"");
}

Test(cmdline, a_word_without_dash_is_named)
{
    PARSE("start");
    cr_assert_eq(rc, -EINVAL);
    cr_assert_str_eq(why, "invalid option: \"start\"");
}

Test(cmdline, an_unknown_signal_is_named)
{
    PARSE("-s", "halt");
    cr_assert_eq(rc, -EINVAL);
    cr_assert_str_eq(why, "invalid option: \"-s halt\"");
}

Test(cmdline, missing_values_are_named)
{
    static const char *const cases[][2] = {
        {"-p", "option \"-p\" requires directory name"}, {"-e", "option \"-e\" requires file name"},
        {"-c", "option \"-c\" requires file name"},      {"-g", "option \"-g\" requires parameter"},
        {"-s", "option \"-s\" requires parameter"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        PARSE((char *)cases[i][0]);
        cr_assert_eq(rc, -EINVAL);
        cr_assert_str_eq(why, cases[i][1]);
    }
}

static struct cmdline_paths resolve(struct cmdline c)
{
    struct cmdline_paths paths;

    cr_assert_eq(cmdline_resolve(&c, &paths), 0);
    return paths;
}

Test(cmdline, relative_paths_start_from_the_prefix)
{
    struct cmdline_paths p = resolve(
        (struct cmdline){.prefix = "/srv/x", .conf_file = "a/b.conf", .error_log = "error.log"});

    cr_assert_str_eq(p.prefix, "/srv/x/");
    cr_assert_str_eq(p.conf_file, "/srv/x/a/b.conf");
    cr_assert_str_eq(p.error_log, "/srv/x/error.log");
    cmdline_paths_free(&p);
}

Test(cmdline, absolute_paths_and_stderr_stay)
{
    struct cmdline_paths p = resolve(
        (struct cmdline){.prefix = "/srv/x/", .conf_file = "/etc/b.conf", .error_log = "stderr"});

    cr_assert_str_eq(p.prefix, "/srv/x/");
    cr_assert_str_eq(p.conf_file, "/etc/b.conf");
    cr_assert_str_eq(p.error_log, "stderr");
    cmdline_paths_free(&p);
}

Test(cmdline, without_options_the_compiled_defaults_hold)
{
    struct cmdline_paths p = resolve((struct cmdline){.prefix = NULL});

    cr_assert(p.prefix[0] == '/' && p.prefix[strlen(p.prefix) - 1] == '/');
    cr_assert_eq(p.conf_file[0], '/', "a package knows where its configuration is");
    cr_assert_gt(strlen(p.error_log), 0);
    cmdline_paths_free(&p);
}

Test(cmdline, topology_with_its_options)
{
    PARSE("--topology", "--json", "--root=/tmp/x", "-c", "y");
    cr_assert_eq(rc, 0, "%s", why);
    cr_expect_eq(c.mode, CMD_TOPOLOGY);
    cr_expect(c.json);
    cr_expect_str_eq(c.root, "/tmp/x");
    cr_expect_str_eq(c.conf_file, "y");
}

Test(cmdline, a_long_value_may_be_the_next_word)
{
    PARSE("--root", "/tmp/x", "--topology");
    cr_assert_eq(rc, 0, "%s", why);
    cr_expect_str_eq(c.root, "/tmp/x");
    cr_expect_eq(c.mode, CMD_TOPOLOGY);
}

Test(cmdline, without_long_options_it_serves)
{
    PARSE("-q");
    cr_assert_eq(rc, 0);
    cr_expect_eq(c.mode, CMD_SERVE);
}

Test(cmdline, wrong_long_options_are_named)
{
    static const struct {
        const char *first, *second, *why;
    } cases[] = {
        {"-q", "--nonsense", "invalid option: \"--nonsense\""},
        {"-q", "--topology=x", "invalid option: \"--topology=x\""},
        {"-q", "--top", "invalid option: \"--top\""},
        {"-q", "--", "invalid option: \"-\""},
        {"--topology", "--root", "option \"--root\" requires directory name"},
        {"--topology", "--root=", "option \"--root\" requires directory name"},
        {"-q", "--json", "option \"--json\" goes with another command"},
        {"--root=x", "-t", "option \"--root\" goes with another command"},
        {"--topology", "-t", "option \"-t\" cannot go with \"--topology\""},
        {"--topology", "-sstop", "option \"-s\" cannot go with \"--topology\""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        PARSE((char *)cases[i].first, (char *)cases[i].second);
        cr_expect_eq(rc, -EINVAL, "%s", cases[i].first);
        cr_expect_str_eq(why, cases[i].why);
    }
}

// A table with a row of every kind, whatever the program's own has.
static const struct long_option all_kinds[] = {
    {"topology", LONG_MODE, WITH(CMD_TOPOLOGY), 0, NULL},
    {"status", LONG_MODE, WITH(CMD_STATUS), 0, NULL},
    {"doctor", LONG_MODE, WITH(CMD_DOCTOR), 0, NULL},
    {"apply", LONG_FLAG, WITH(CMD_DOCTOR), offsetof(struct cmdline, apply), NULL},
    {"undo", LONG_FLAG, WITH(CMD_DOCTOR), offsetof(struct cmdline, undo), NULL},
    {"root", LONG_TEXT, WITH(CMD_TOPOLOGY) | WITH(CMD_DOCTOR), offsetof(struct cmdline, root),
     "directory name"},
    {"interval", LONG_SECONDS, WITH(CMD_STATUS), offsetof(struct cmdline, interval_ms),
     "number of seconds"},
};

static const struct long_table all_table = {all_kinds, sizeof(all_kinds) / sizeof(all_kinds[0])};

static int parse_all(char *const *argv, struct cmdline *c, char why[256])
{
    int rc = 0;

    memset(c, 0, sizeof(*c));
    why[0] = '\0';
    for (int i = 0; rc == 0 && argv[i] != NULL; i++)
        rc = cmdline_parse_long(&all_table, argv, &i, c, why, 256);
    return rc != 0 ? rc : cmdline_check_long(&all_table, c, why, 256);
}

#define PARSE_ALL(...) parse_all((char *const[]){__VA_ARGS__, NULL}, &c, why)

Test(cmdline, intervals_are_seconds_with_up_to_three_digits_after_the_point)
{
    static const struct {
        const char *text;
        unsigned ms;
    } good[] = {{"1", 1000}, {"0.5", 500}, {"0.125", 125}, {"2.0", 2000}, {"86400", 86400000}};
    static const char *const bad[] = {"",    "0",   "0.0",   ".5", "1.",    "-1",
                                      "1.2345", "x", "1.x", "86401", "99999999999999999999"};
    struct cmdline c;
    char why[256], word[64];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        cr_expect_eq(PARSE_ALL("--status", "--interval", (char *)good[i].text), 0, "%s", why);
        cr_expect_eq(c.interval_ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(word, sizeof(word), "--interval=%s", bad[i]);
        cr_expect_eq(PARSE_ALL("--status", word), -EINVAL, "%s", word);
    }
    cr_expect_str_eq(why, "invalid option: \"--interval=99999999999999999999\"");
}

Test(cmdline, what_does_not_go_together)
{
    struct cmdline c;
    char why[256];

    cr_expect_eq(PARSE_ALL("--doctor", "--apply", "--root=x"), 0, "%s", why);
    cr_expect(c.apply && c.mode == CMD_DOCTOR);
    cr_expect_eq(PARSE_ALL("--doctor", "--doctor"), 0, "the same twice is no contradiction");
    cr_expect_eq(PARSE_ALL("--doctor", "--status"), -EINVAL);
    cr_expect_str_eq(why, "option \"--status\" cannot follow another command");
    cr_expect_eq(PARSE_ALL("--apply", "--doctor", "--undo"), -EINVAL);
    cr_expect_str_eq(why, "options \"--apply\" and \"--undo\" exclude each other");
    cr_expect_eq(PARSE_ALL("--status", "--apply"), -EINVAL);
    cr_expect_str_eq(why, "option \"--apply\" goes with another command");
    cr_expect_eq(PARSE_ALL("--topology", "--interval=1"), -EINVAL);
    cr_expect_eq(PARSE_ALL("--status", "--root=x"), -EINVAL);
}
