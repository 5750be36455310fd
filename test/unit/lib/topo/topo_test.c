// SPDX-License-Identifier: Apache-2.0
//
// This machine, and binding to it.
#include <criterion/criterion.h>
#include <errno.h>
#include <numaif.h>

#include "lib/topo/machine.h"
#include "lib/topo/topo.h"
#include "test/unit/lib/topo/tree_fixture.h"

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

static void bind_to(int cpu)
{
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    cr_assert_eq(topo_bind_cpus(&cpus), 0);
}

Test(topo, affinity_limits_auto)
{
    bind_to(first_allowed());
    topo_destroy(&t);
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

    bind_to(cpu);
    cr_assert_eq(sched_getaffinity(0, sizeof(now), &now), 0);
    cr_expect_eq(CPU_COUNT(&now), 1);
    cr_expect(CPU_ISSET(cpu, &now));
    cr_expect_eq(sched_getcpu(), cpu);
    cr_expect_eq(topo_bind_cpus(&t.allowed), 0);
    CPU_ZERO(&now);
    cr_expect_eq(topo_bind_cpus(&now), -EINVAL);
    CPU_SET(CPU_SETSIZE - 1, &now);
    cr_expect_eq(topo_bind_cpus(&now), -EINVAL);
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

// The machine of tree_fixture.h: two nodes of two CPUs.
static void load_captured(void)
{
    struct machine m;

    topo_destroy(&t);
    cr_assert_eq(machine_load(&m, tree), 0);
    cr_assert_eq(topo_load_machine(&t, &m), 0);
    machine_free(&m);
}

static void capture(void)
{
    tree_begin();
    tree_nodes("0-1");
    tree_node(0, "0-1", 1);
    tree_node(1, "2-3", 1);
}

TestSuite(captured, .init = capture, .fini = tree_end);

Test(captured, all_cpus_are_allowed_when_nothing_else_is_said)
{
    load_captured();
    cr_expect_eq(t.nallowed, 4);
    cr_expect_eq(t.node_count, 2);
    cr_expect_eq(t.nby_node, 2);
    cr_expect_eq(t.quota, 0);
    cr_expect_str_eq(t.root, tree);
    topo_destroy(&t);
}

Test(captured, its_own_cpuset_and_quota_count)
{
    tree_put("Name:\tcat\nCpus_allowed_list:\t1-2", "proc/self/status");
    tree_put("0::/x", "proc/self/cgroup");
    tree_put("100000 100000", "sys/fs/cgroup/x/cpu.max");
    load_captured();
    cr_expect_eq(t.nallowed, 2);
    cr_expect(CPU_ISSET(1, &t.allowed) && CPU_ISSET(2, &t.allowed));
    cr_expect_eq(t.nby_node, 2);
    cr_expect_eq(CPU_COUNT(&t.by_node[0].cpus), 1);
    cr_expect_eq(t.quota, 1);
    topo_destroy(&t);
}

Test(captured, a_cpuset_of_some_other_machine_does_not_count)
{
    tree_put("Cpus_allowed_list:\t64-127", "proc/self/status");
    load_captured();
    cr_expect_eq(t.nallowed, 4);
    topo_destroy(&t);
    tree_put("Cpus_allowed_list:\t,,,", "proc/self/status");
    load_captured();
    cr_expect_eq(t.nallowed, 4);
    topo_destroy(&t);
}

// What hwloc wants to see before it believes that a CPU is there.
static void put_cache(int cpu, const char *shared)
{
    static const char dir[] = "sys/devices/system/cpu";
    char mask[16], cpu_mask[16];

    snprintf(mask, sizeof(mask), "%s", shared);
    snprintf(cpu_mask, sizeof(cpu_mask), "%x", 1u << cpu);
    tree_put(cpu_mask, "%s/cpu%d/topology/thread_siblings", dir, cpu);
    tree_put("f", "%s/cpu%d/topology/core_siblings", dir, cpu);
    tree_number(cpu, dir, "x");
    tree_put(cpu_mask, "%s/cpu%d/topology/core_cpus", dir, cpu);
    tree_put("f", "%s/cpu%d/topology/package_cpus", dir, cpu);
    tree_put("0", "%s/cpu%d/topology/physical_package_id", dir, cpu);
    tree_put("0", "%s/cpu%d/topology/core_id", dir, cpu);
    tree_put("3", "%s/cpu%d/cache/index3/level", dir, cpu);
    tree_put("Unified", "%s/cpu%d/cache/index3/type", dir, cpu);
    tree_put("32768K", "%s/cpu%d/cache/index3/size", dir, cpu);
    tree_put(mask, "%s/cpu%d/cache/index3/shared_cpu_map", dir, cpu);
}

Test(captured, caches_are_those_of_the_captured_machine)
{
    struct topo_silo silos[8];
    unsigned count;

    tree_put("0-3", "sys/devices/system/cpu/online");
    tree_put("0-3", "sys/devices/system/cpu/possible");
    for (int cpu = 0; cpu < 4; cpu++)
        put_cache(cpu, cpu < 2 ? "3" : cpu == 2 ? "4" : "8");
    load_captured();
    cr_assert_eq(topo_plan(&t, TOPO_L3, 4, silos, 8, &count), 0);
    cr_assert_eq(count, 3);
    cr_expect_eq(silos[0].workers, 2);
    cr_expect_eq(silos[0].node, 0);
    cr_expect_eq(silos[2].node, 1);
    cr_expect_null(getenv("HWLOC_FSROOT"), "this machine can be read again");
    topo_destroy(&t);
}
