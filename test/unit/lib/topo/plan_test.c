// SPDX-License-Identifier: Apache-2.0
//
// Silos on machines that hwloc makes up.
#include <criterion/criterion.h>
#include <errno.h>

#include "lib/topo/topo_priv.h"

static struct topo t;
static struct topo_silo silos[TOPO_SILOS_MAX];
static unsigned count;
static char why[128];

// All CPUs of the machine are online; `allowed` is a list or NULL for all.
static void machine(const char *synthetic, const char *allowed)
{
    hwloc_topology_t m;

    t = (struct topo){0};
    cr_assert_eq(hwloc_topology_init(&m), 0);
    cr_assert_eq(hwloc_topology_set_synthetic(m, synthetic), 0);
    cr_assert_eq(hwloc_topology_load(m), 0);
    int cpus = hwloc_get_nbobjs_by_type(m, HWLOC_OBJ_PU);
    t.node_count = hwloc_get_nbobjs_by_type(m, HWLOC_OBJ_NUMANODE);
    for (int i = 0; i < cpus; i++)
        CPU_SET(i, &t.online);
    for (int i = 0; i < t.node_count; i++)
        CPU_SET(i, &t.nodes);
    t.allowed = t.online;
    if (allowed != NULL)
        cr_assert_eq(topo_parse_cpus(sv_from(allowed), &t.allowed, why, sizeof(why)), 0);
    t.nallowed = (unsigned)CPU_COUNT(&t.allowed);
    cr_assert_eq(topo_read_groups(&t, m), 0);
    hwloc_topology_destroy(m);
}

static void plan(enum topo_mode mode, unsigned workers)
{
    cr_assert_eq(topo_plan(&t, mode, workers, silos, TOPO_SILOS_MAX, &count), 0);
}

static unsigned total(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < count; i++)
        n += silos[i].workers;
    return n;
}

static void teardown(void)
{
    topo_destroy(&t);
}

TestSuite(plan, .fini = teardown);

#define TWO_NODES "node:2 l3:2 core:2 pu:1" // CPUs 0-3 on node 0, 4-7 on node 1

Test(plan, a_silo_for_each_node)
{
    machine(TWO_NODES, NULL);
    plan(TOPO_AUTO, 8);
    cr_assert_eq(count, 2);
    cr_expect_eq(silos[0].node, 0);
    cr_expect_eq(silos[1].node, 1);
    cr_expect_eq(silos[0].workers, 4);
    cr_expect_eq(silos[1].workers, 4);
    cr_expect(CPU_ISSET(4, &silos[1].cpus));
    cr_expect_not(CPU_ISSET(4, &silos[0].cpus));
    cr_expect_eq(topo_worker_cpu(&silos[1], 0), 4);
    cr_expect_eq(topo_worker_cpu(&silos[1], 3), 7);
    cr_expect_eq(topo_worker_cpu(&silos[1], 4), 4);
}

Test(plan, a_silo_for_each_cache)
{
    machine(TWO_NODES, NULL);
    plan(TOPO_L3, 8);
    cr_assert_eq(count, 4);
    cr_expect_eq(silos[1].node, 0);
    cr_expect_eq(silos[2].node, 1);
    cr_expect_eq(CPU_COUNT(&silos[3].cpus), 2);
    cr_expect_eq(total(), 8);
}

Test(plan, l3_without_such_caches_is_node)
{
    machine("node:2 core:2 pu:1", NULL);
    plan(TOPO_L3, 4);
    cr_expect_eq(count, 2);
}

Test(plan, none_is_one_silo_without_a_node)
{
    machine(TWO_NODES, NULL);
    plan(TOPO_NONE, 8);
    cr_assert_eq(count, 1);
    cr_expect_eq(silos[0].node, TOPO_NODE_ANY);
    cr_expect_eq(CPU_COUNT(&silos[0].cpus), 8);
}

Test(plan, workers_follow_the_cpus_that_are_allowed)
{
    machine(TWO_NODES, "0-3,7");
    plan(TOPO_AUTO, 5);
    cr_assert_eq(count, 2);
    cr_expect_eq(silos[0].workers, 4);
    cr_expect_eq(silos[1].workers, 1);
    cr_expect_eq(topo_worker_cpu(&silos[1], 0), 7);
}

Test(plan, a_node_without_allowed_cpus_has_no_silo)
{
    machine(TWO_NODES, "4-7");
    plan(TOPO_AUTO, 4);
    cr_assert_eq(count, 1);
    cr_expect_eq(silos[0].node, 1);
}

Test(plan, fewer_workers_than_groups_leave_groups_out)
{
    machine(TWO_NODES, NULL);
    plan(TOPO_L3, 3);
    cr_assert_eq(count, 3);
    cr_expect_eq(total(), 3);
    plan(TOPO_AUTO, 1);
    cr_expect_eq(count, 1);
    plan(TOPO_AUTO, 0);
    cr_expect_eq(total(), 1);
}

Test(plan, more_workers_than_cpus_are_spread_evenly)
{
    machine(TWO_NODES, NULL);
    plan(TOPO_AUTO, 21);
    cr_assert_eq(count, 2);
    cr_expect_eq(total(), 21);
    cr_expect_leq(silos[0].workers - silos[1].workers, 1);
}

Test(plan, one_node_needs_no_library)
{
    machine("node:1 core:4 pu:1", NULL);
    topo_destroy(&t);
    CPU_SET(0, &t.allowed);
    CPU_SET(1, &t.allowed);
    CPU_SET(0, &t.nodes);
    t.node_count = 1;
    plan(TOPO_AUTO, 2);
    cr_assert_eq(count, 1);
    cr_expect_eq(silos[0].node, 0);
    cr_expect_null(t.by_node);
}

Test(plan, too_many_silos)
{
    machine(TWO_NODES, NULL);
    cr_expect_eq(topo_plan(&t, TOPO_L3, 4, silos, 3, &count), -ENOSPC);
}

Test(plan, this_machine_in_every_mode)
{
    for (int mode = TOPO_AUTO; mode <= TOPO_NONE; mode++) {
        cpu_set_t all, both;

        cr_assert_eq(topo_load(&t), 0);
        plan((enum topo_mode)mode, t.nallowed);
        cr_expect_eq(total(), t.nallowed);
        CPU_ZERO(&all);
        for (unsigned i = 0; i < count; i++) {
            CPU_AND(&both, &all, &silos[i].cpus);
            cr_expect_eq(CPU_COUNT(&both), 0, "a CPU is in two silos");
            CPU_OR(&all, &all, &silos[i].cpus);
        }
        cr_expect(CPU_EQUAL(&all, &t.allowed), "a CPU is in no silo");
        topo_destroy(&t);
    }
}

static int explicit(const char *first, int first_node, const char *second, unsigned workers)
{
    unsigned n = second != NULL ? 2 : 1;

    cr_assert_eq(topo_parse_cpus(sv_from(first), &silos[0].cpus, why, sizeof(why)), 0);
    silos[0].node = first_node;
    if (second != NULL)
        cr_assert_eq(topo_parse_cpus(sv_from(second), &silos[1].cpus, why, sizeof(why)), 0);
    silos[1].node = 0;
    return topo_plan_explicit(&t, silos, n, workers, why, sizeof(why));
}

Test(plan, explicit_silos_on_one_node)
{
    machine("node:1 core:4 pu:1", NULL);
    cr_assert_eq(explicit("0-2", 0, "3", 4), 0, "%s", why);
    cr_expect_eq(silos[0].workers, 3);
    cr_expect_eq(silos[1].workers, 1);
    cr_assert_eq(explicit("0-2", TOPO_NODE_ANY, "3", 1), 0, "%s", why);
    cr_expect_eq(silos[0].workers, 1);
    cr_expect_eq(silos[1].workers, 1, "every silo that was written has a worker");
}

Test(plan, explicit_errors)
{
    machine("node:1 core:4 pu:1", "0-2");
    cr_expect_eq(explicit("0-1", 0, "1-2", 2), -EINVAL);
    cr_expect_str_eq(why, "CPU 1 is given twice");
    cr_expect_eq(explicit("0", 0, "3", 2), -EINVAL);
    cr_expect_str_eq(why, "CPU 3 is not allowed to this process");
    cr_expect_eq(explicit("0,4", 0, NULL, 2), -EINVAL);
    cr_expect_str_eq(why, "CPU 4 is not there");
    cr_expect_eq(explicit("0", 1, NULL, 2), -EINVAL);
    cr_expect_str_eq(why, "node 1 is not there");
    CPU_ZERO(&silos[0].cpus);
    silos[0].node = 0;
    cr_expect_eq(topo_plan_explicit(&t, silos, 1, 1, why, sizeof(why)), -EINVAL);
    cr_expect_str_eq(why, "a silo has no CPU");
}
