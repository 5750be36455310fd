// SPDX-License-Identifier: Apache-2.0
//
// Lists of CPUs.
#include <criterion/criterion.h>
#include <errno.h>

#include "lib/topo/topo.h"

static cpu_set_t cpus;
static char why[128];

static int parse(const char *text)
{
    why[0] = '\0';
    return topo_parse_cpus(sv_from(text), &cpus, why, sizeof(why));
}

static void expect_error(const char *text, const char *words)
{
    cr_expect_eq(parse(text), -EINVAL, "%s", text);
    cr_expect_str_eq(why, words);
}

Test(cpulist, forms)
{
    cr_assert_eq(parse("0-3,8"), 0);
    cr_expect_eq(CPU_COUNT(&cpus), 5);
    cr_expect(CPU_ISSET(0, &cpus) && CPU_ISSET(3, &cpus) && CPU_ISSET(8, &cpus));
    cr_expect_not(CPU_ISSET(4, &cpus));
    cr_assert_eq(parse("7"), 0);
    cr_expect_eq(CPU_COUNT(&cpus), 1);
    cr_assert_eq(parse("5-5"), 0);
    cr_expect_eq(CPU_COUNT(&cpus), 1);
    cr_assert_eq(parse("1023"), 0);
}

Test(cpulist, errors)
{
    expect_error("", "\"\" is not a CPU number");
    expect_error("0,", "\"\" is not a CPU number");
    expect_error("a", "\"a\" is not a CPU number");
    expect_error("0-", "\"\" is not a CPU number");
    expect_error("-1", "\"\" is not a CPU number");
    expect_error("1 2", "\"1 2\" is not a CPU number");
    expect_error("3-1", "CPU range \"3-1\" runs backwards");
    expect_error("0-3,2", "CPU 2 is given twice");
    expect_error("1024", "CPU 1024 is not there");
    expect_error("99999999999999999999999", "CPU 99999999999999999999999 is not there");
}

static const char *format(const char *text, size_t size)
{
    static char out[128];

    CPU_ZERO(&cpus);
    if (text[0] != '\0')
        cr_assert_eq(parse(text), 0);
    topo_format_cpus(&cpus, out, size);
    return out;
}

Test(cpulist, text_comes_back)
{
    static const char *const texts[] = {"", "0", "0-3,8", "1,3,5-7,1023", "0-1023"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        cr_expect_str_eq(format(texts[i], TOPO_CPUS_TEXT), texts[i]);
    cr_expect_str_eq(format("0,1,2,4", TOPO_CPUS_TEXT), "0-2,4");
}

Test(cpulist, text_that_does_not_fit_says_so)
{
    cr_expect_str_eq(format("1,3,5,7,9", 10), "1,3,5,...");
    cr_expect_str_eq(format("1000-1020", 10), "...");
    cr_expect_str_eq(format("1,3,5,7,9", sizeof("1,3,5,7,9,...")), "1,3,5,7,9");
}
