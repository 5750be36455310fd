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

#define MADE_UP "/nonexistent" // a root, so that this machine's affinity does not count

static void set_cpus(const char *list, cpu_set_t *cpus)
{
    CPU_ZERO(cpus);
    if (list[0] != '\0')
        cr_assert_eq(topo_parse_cpus(sv_from(list), cpus, why, sizeof(why)), 0, "%s", why);
}

static void allow(const char *list, const struct machine *m)
{
    set_cpus(list, &t.allowed);
    t.nallowed = (unsigned)CPU_COUNT(&t.allowed);
    free(t.by_node);
    cr_assert_eq(topo_read_nodes(&t, m), 0);
}

// All CPUs of the machine are online; `allowed` is a list or NULL for all.
static void machine(const char *synthetic, const char *allowed)
{
    struct machine_node nodes[16] = {{.id = 0}};
    struct machine m = {.root = MADE_UP, .nodes = nodes};
    hwloc_topology_t h;

    cr_assert_eq(hwloc_topology_init(&h), 0);
    cr_assert_eq(hwloc_topology_set_synthetic(h, synthetic), 0);
    cr_assert_eq(hwloc_topology_load(h), 0);
    m.nnodes = (unsigned)hwloc_get_nbobjs_by_type(h, HWLOC_OBJ_NUMANODE);
    for (unsigned i = 0; i < m.nnodes; i++) {
        hwloc_obj_t node = hwloc_get_obj_by_type(h, HWLOC_OBJ_NUMANODE, i);
        unsigned cpu;

        nodes[i].id = (int)i;
        hwloc_bitmap_foreach_begin(cpu, node->cpuset)
            CPU_SET(cpu, &nodes[i].cpus);
        hwloc_bitmap_foreach_end();
    }
    cr_assert_eq(topo_load_machine(&t, &m), 0);
    if (allowed != NULL)
        allow(allowed, &m);
    cr_assert_eq(topo_read_caches(&t, h), 0);
    hwloc_topology_destroy(h);
}

// Nodes 0, 1, ... with these CPUs, and no caches.
static void unequal(const char *const *cpus, const char *allowed)
{
    struct machine_node nodes[16] = {{.id = 0}};
    struct machine m = {.root = MADE_UP, .nodes = nodes};

    for (; cpus[m.nnodes] != NULL; m.nnodes++) {
        nodes[m.nnodes].id = (int)m.nnodes;
        set_cpus(cpus[m.nnodes], &nodes[m.nnodes].cpus);
    }
    cr_assert_eq(topo_load_machine(&t, &m), 0);
    if (allowed != NULL)
        allow(allowed, &m);
}

#define UNEQUAL(allowed, ...) unequal((const char *const[]){__VA_ARGS__, NULL}, allowed)

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
    cr_expect(CPU_ISSET(7, &silos[1].cpus));
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
    UNEQUAL("0-1", "0-3");
    plan(TOPO_AUTO, 2);
    cr_assert_eq(count, 1);
    cr_expect_eq(silos[0].node, 0);
    cr_expect_eq(CPU_COUNT(&silos[0].cpus), 2);
    cr_expect_null(t.by_l3);
}

Test(plan, nodes_of_unequal_cpu_counts_share_in_proportion)
{
    UNEQUAL(NULL, "0-11", "12-15");
    plan(TOPO_AUTO, 16);
    cr_assert_eq(count, 2);
    cr_expect_eq(silos[0].workers, 12);
    cr_expect_eq(silos[1].workers, 4);
    plan(TOPO_AUTO, 8);
    cr_expect_eq(silos[0].workers, 6);
    cr_expect_eq(silos[1].workers, 2);
    plan(TOPO_AUTO, 2);
    cr_expect_eq(total(), 2);
}

Test(plan, a_node_without_cpus_has_no_silo)
{
    UNEQUAL(NULL, "0-3", "", "4-7");
    plan(TOPO_AUTO, 8);
    cr_assert_eq(count, 2);
    cr_expect_eq(silos[0].node, 0);
    cr_expect_eq(silos[1].node, 2);
    cr_expect_eq(silos[1].workers, 4);
}

// hwloc gives a memory-only node the CPUs of its neighbour; by the kernel's word they stay there.
Test(plan, a_node_without_cpus_that_comes_first_takes_none)
{
    UNEQUAL(NULL, "", "0-3");
    plan(TOPO_AUTO, 4);
    cr_assert_eq(count, 1);
    cr_expect_eq(silos[0].node, 1);
    cr_expect_eq(silos[0].workers, 4);
}

Test(plan, a_cpuset_that_leaves_one_node_makes_one_silo_there)
{
    UNEQUAL("6-7", "0-3", "4-7");
    cr_expect_eq(t.nallowed, 2);
    plan(TOPO_AUTO, topo_auto_workers(&t));
    cr_assert_eq(count, 1);
    cr_expect_eq(silos[0].node, 1);
    cr_expect_eq(silos[0].workers, 2);
    cr_expect(CPU_ISSET(6, &silos[0].cpus) && !CPU_ISSET(4, &silos[0].cpus));
}

Test(plan, a_quota_smaller_than_the_machine_is_spread_over_the_nodes)
{
    UNEQUAL(NULL, "0-3", "4-7");
    t.quota = 2;
    plan(TOPO_AUTO, topo_auto_workers(&t));
    cr_assert_eq(count, 2);
    cr_expect_eq(silos[0].workers, 1);
    cr_expect_eq(silos[1].workers, 1);
}

Test(plan, a_machine_without_cpus_is_none)
{
    struct machine_node node = {.id = 0};
    struct machine m = {.root = MADE_UP, .nodes = &node, .nnodes = 1};

    cr_expect_eq(topo_load_machine(&t, &m), -ENODEV);
}

Test(plan, a_cache_over_two_nodes_has_no_node)
{
    struct machine_node nodes[2] = {{.id = 0}, {.id = 1}};
    struct machine m = {.root = MADE_UP, .nodes = nodes, .nnodes = 2};
    hwloc_topology_t h;

    set_cpus("0-1", &nodes[0].cpus);
    set_cpus("2-3", &nodes[1].cpus);
    cr_assert_eq(topo_load_machine(&t, &m), 0);
    cr_assert_eq(hwloc_topology_init(&h), 0);
    cr_assert_eq(hwloc_topology_set_synthetic(h, "pack:1 l3:1 core:4 pu:1"), 0);
    cr_assert_eq(hwloc_topology_load(h), 0);
    cr_assert_eq(topo_read_caches(&t, h), 0);
    hwloc_topology_destroy(h);
    plan(TOPO_L3, 4);
    cr_assert_eq(count, 1);
    cr_expect_eq(silos[0].node, TOPO_NODE_ANY);
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

static unsigned which;

static int explicit(const char *first, int first_node, const char *second, unsigned workers)
{
    unsigned n = second != NULL ? 2 : 1;

    cr_assert_eq(topo_parse_cpus(sv_from(first), &silos[0].cpus, why, sizeof(why)), 0);
    silos[0].node = first_node;
    if (second != NULL)
        cr_assert_eq(topo_parse_cpus(sv_from(second), &silos[1].cpus, why, sizeof(why)), 0);
    silos[1].node = 0;
    return topo_plan_explicit(&t, silos, n, workers, &which, why, sizeof(why));
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
    cr_expect_eq(which, 1, "the line that gives it again");
    cr_expect_eq(explicit("0", 0, "3", 2), -EINVAL);
    cr_expect_str_eq(why, "CPU 3 is not allowed to this process");
    cr_expect_eq(which, 1);
    cr_expect_eq(explicit("0,4", 0, NULL, 2), -EINVAL);
    cr_expect_eq(which, 0);
    cr_expect_str_eq(why, "CPU 4 is not there");
    cr_expect_eq(explicit("0", 1, NULL, 2), -EINVAL);
    cr_expect_str_eq(why, "node 1 is not there");
    CPU_ZERO(&silos[0].cpus);
    silos[0].node = 0;
    cr_expect_eq(topo_plan_explicit(&t, silos, 1, 1, &which, why, sizeof(why)), -EINVAL);
    cr_expect_str_eq(why, "a silo has no CPU");
}
