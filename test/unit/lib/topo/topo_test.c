// SPDX-License-Identifier: Apache-2.0
//
// This machine, and binding to it.
#include <criterion/criterion.h>
#include <errno.h>
#include <numaif.h>

#include "lib/topo/topo.h"

static struct topo t;

static void setup(void)
{
    cr_assert_eq(topo_load(&t), 0);
}

static void teardown(void)
{
    topo_destroy(&t);
}

TestSuite(topo, .init = setup, .fini = teardown);

static int first_allowed(void)
{
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &t.allowed))
            return cpu;
    }
    return -1;
}

Test(topo, allowed_cpus_are_online)
{
    cpu_set_t both;

    CPU_AND(&both, &t.allowed, &t.online);
    cr_expect(CPU_EQUAL(&both, &t.allowed));
    cr_expect_gt(t.nallowed, 0);
    cr_expect_geq(t.node_count, 1);
}

Test(topo, affinity_limits_auto)
{
    cr_assert_eq(topo_bind_thread(first_allowed()), 0);
    cr_assert_eq(topo_load(&t), 0);
    cr_expect_eq(t.nallowed, 1);
    cr_expect_eq(topo_auto_workers(&t), 1);
}

Test(topo, auto_workers_is_the_smaller_of_allowed_and_quota)
{
    struct topo m = {.nallowed = 8};

    cr_expect_eq(topo_auto_workers(&m), 8);
    m.quota = 3;
    cr_expect_eq(topo_auto_workers(&m), 3);
    m.quota = 30;
    cr_expect_eq(topo_auto_workers(&m), 8);
    m.nallowed = 0;
    cr_expect_eq(topo_auto_workers(&m), 1);
}

Test(topo, binds_the_thread)
{
    cpu_set_t now;
    int cpu = first_allowed();

    cr_assert_eq(topo_bind_thread(cpu), 0);
    cr_assert_eq(sched_getaffinity(0, sizeof(now), &now), 0);
    cr_expect_eq(CPU_COUNT(&now), 1);
    cr_expect(CPU_ISSET(cpu, &now));
    cr_expect_eq(sched_getcpu(), cpu);
    cr_expect_eq(topo_bind_cpus(&t.allowed), 0);
    cr_expect_eq(topo_bind_thread(-1), -EINVAL);
    cr_expect_eq(topo_bind_thread(CPU_SETSIZE - 1), -EINVAL);
}

Test(topo, prefers_memory_of_the_node)
{
    unsigned long mask[CPU_SETSIZE / 64] = {0};
    int mode = -1, node = 0;

    while (!CPU_ISSET(node, &t.nodes))
        node++;
    int rc = topo_bind_memory(node);
    if (rc == -EPERM)
        cr_skip_test("set_mempolicy is forbidden here");
    cr_assert_eq(rc, 0);
    if (get_mempolicy(&mode, mask, CPU_SETSIZE, NULL, 0) != 0)
        cr_skip_test("a kernel without NUMA");
    cr_expect_eq(mode, MPOL_PREFERRED);
    cr_expect_eq(mask[node / 64], 1ul << (node % 64));
    cr_assert_eq(topo_bind_memory(TOPO_NODE_ANY), 0);
    cr_assert_eq(get_mempolicy(&mode, mask, CPU_SETSIZE, NULL, 0), 0);
    cr_expect_eq(mode, MPOL_DEFAULT);
    cr_expect_neq(topo_bind_memory(CPU_SETSIZE - 2), 0, "no such node");
}

Test(topo, mode_words)
{
    enum topo_mode mode;

    cr_assert_eq(topo_mode_parse(SV("l3"), &mode), 0);
    cr_expect_eq(mode, TOPO_L3);
    cr_assert_eq(topo_mode_parse(SV("none"), &mode), 0);
    cr_expect_eq(mode, TOPO_NONE);
    cr_expect_eq(topo_mode_parse(SV("NODE"), &mode), -EINVAL);
    cr_expect_eq(topo_mode_parse(SV(""), &mode), -EINVAL);
}
