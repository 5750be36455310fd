// SPDX-License-Identifier: Apache-2.0
#include "lib/base/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <regex.h>
#include <string.h>

static char seen[8192];
static int lines;

static void keep(struct log_sink *sink, enum log_level level, const char *line, size_t n)
{
    (void)sink;
    (void)level;
    cr_assert(n < sizeof(seen));
    memcpy(seen, line, n);
    seen[n] = '\0';
    lines++;
}

static struct log_sink sink = {.level = LOG_LEVEL_ERROR, .emit = keep};

static void use_sink(void)
{
    log_use(&sink);
    lines = 0;
}

Test(log, line_has_nginxs_form, .init = use_sink)
{
    regex_t re;

    log_write(LOG_LEVEL_CRIT, 5, ENOENT, "open() \"%s\" failed", "/x");
    cr_assert_eq(regcomp(&re,
                         "^[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9:]{8} \\[crit\\] [0-9]+#[0-9]+: \\*5 "
                         "open\\(\\) \"/x\" failed \\(2: No such file or directory\\)\n$",
                         REG_EXTENDED | REG_NOSUB),
                 0);
    cr_assert_eq(regexec(&re, seen, 0, NULL, 0), 0, "%s", seen);
    regfree(&re);
}

Test(log, less_severe_lines_are_dropped, .init = use_sink)
{
    log_warn(0, "dropped");
    cr_assert_eq(lines, 0);
    cr_assert_not(log_wants(LOG_LEVEL_WARN));
    log_error(0, "kept");
    cr_assert_eq(lines, 1);
}

Test(log, long_lines_are_cut_and_still_end_with_a_newline, .init = use_sink)
{
    static char text[3 * LOG_LINE_MAX];

    memset(text, 'a', sizeof(text) - 1);
    log_error(ENOENT, "%s", text);
    cr_assert_leq(strlen(seen), LOG_LINE_MAX);
    cr_assert_eq(seen[strlen(seen) - 1], '\n');
}

Test(log, every_sink_of_a_chain_gets_the_line, .init = use_sink)
{
    struct log_sink second = {.level = LOG_LEVEL_DEBUG, .emit = keep};

    sink.next = &second;
    log_error(0, "both");
    cr_assert_eq(lines, 2);
    log_info(0, "one");
    cr_assert_eq(lines, 3);
    sink.next = NULL;
}

Test(log, levels_have_their_words)
{
    enum log_level level;

    for (int i = LOG_LEVEL_EMERG; i <= LOG_LEVEL_DEBUG; i++) {
        cr_assert_eq(log_level_parse(log_level_name((enum log_level)i), &level), 0);
        cr_assert_eq((int)level, i);
    }
    cr_assert_eq(log_level_parse("loud", &level), -EINVAL);
}
