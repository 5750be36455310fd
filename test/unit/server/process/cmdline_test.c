// SPDX-License-Identifier: Apache-2.0
//
// Options as nginx takes them, and the paths they come to.
#include "server/process/cmdline.h"

#include <criterion/criterion.h>
#include <errno.h>
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
