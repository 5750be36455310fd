// SPDX-License-Identifier: Apache-2.0
//
// Sets of CPUs as the kernel writes them, on machines with many.
#include "lib/topo/topo.h"
#include "server/doctor/tree_priv.h"
#include "test/unit/server/doctor/doctor_fixture.h"

static cpu_set_t cpus;
static char text[CPUS_TEXT_MAX];

static void setup(void)
{
    make_root();
    options = (struct doctor_options){.root = root};
    doctor_init(&doctor, &options, NULL);
    examined = true;
}

TestSuite(cpus, .init = setup, .fini = doctor_teardown);

static int parse(const char *mask)
{
    put("/mask", "%s\n", mask);
    return tree_cpu_mask(&doctor, &cpus, "/mask");
}

static void expect_mask(const char *mask, const char *list, const char *again)
{
    cr_assert_eq(parse(mask), 0, "%s", mask);
    topo_format_cpus(&cpus, text, sizeof(text));
    cr_expect_str_eq(text, list);
    cpus_format_mask(&cpus, text, sizeof(text));
    cr_expect_str_eq(text, again);
}

Test(cpus, masks)
{
    expect_mask("0", "", "0");
    expect_mask("ff", "0-7", "ff");
    expect_mask("00000000,80000001", "0,31", "80000001");
    expect_mask("3,00000000", "32-33", "3,00000000");
    expect_mask("1,00000000,0000000A", "1,3,64", "1,00000000,0000000a");
}

Test(cpus, what_is_no_mask)
{
    static const char *const wrong[] = {"", ",", "1,", ",1", "x", "123456789", "1,,1", "-1", "0x1"};

    for (size_t i = 0; i < array_len(wrong); i++)
        cr_expect_eq(parse(wrong[i]), -EINVAL, "%s", wrong[i]);
    cr_expect_eq(tree_cpu_mask(&doctor, &cpus, "/nothing"), -ENOENT);
}

Test(cpus, a_mask_beyond_what_a_set_holds)
{
    char mask[1024] = "1";

    for (int i = 0; i < CPU_SETSIZE / 32; i++)
        strcat(mask, ",00000000");
    cr_assert_eq(parse(mask), 0);
    cr_expect_eq(CPU_COUNT(&cpus), 0);
}

Test(cpus, one_after_another)
{
    cr_assert_eq(parse("5,00000010"), 0);
    cr_expect_eq(cpus_nth(&cpus, 0), 4);
    cr_expect_eq(cpus_nth(&cpus, 2), 34);
    cr_expect_eq(cpus_nth(&cpus, 3), 4);
    cpu_set_t all = cpus;
    CPU_CLR(4, &cpus);
    cr_expect(cpus_within(&cpus, &all));
    cr_expect_not(cpus_within(&all, &cpus));
}
