// SPDX-License-Identifier: Apache-2.0
//
// Which silo a connection belongs to, on machines made up here.
#include <criterion/criterion.h>
#include <stdlib.h>

#include "lib/topo/machine.h"
#include "server/locality/home.h"
#include "server/process/plan.h"
#include "server/process/worker_cpus.h"

TestSuite(home, .timeout = 10);

static cpu_set_t cpus(int from, int to)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    for (int cpu = from; cpu <= to; cpu++)
        CPU_SET(cpu, &set);
    return set;
}

static void make(struct home_map *map, struct machine_node *nodes, unsigned nnodes,
                 struct plan_silo *silos, unsigned nsilos)
{
    struct machine m = {.root = "", .nodes = nodes, .nnodes = nnodes};
    struct plan plan = {.silos = silos, .count = nsilos, .workers = nsilos};
    struct worker_cpus cpus = {.of = calloc(nsilos, sizeof(cpu_set_t)), .count = nsilos};

    // Each silo has one worker here; one with a single CPU is bound to it.
    for (unsigned i = 0; i < nsilos; i++) {
        silos[i].first = i;
        silos[i].workers = 1;
        cpus.of[i] = silos[i].cpus;
    }
    cr_assert_eq(home_map_make(map, &plan, &cpus, &m), 0);
    free(cpus.of);
}

Test(home, with_a_silo_for_each_node_the_nic_s_node_decides)
{
    struct machine_node nodes[] = {{.id = 0, .cpus = cpus(0, 3)}, {.id = 1, .cpus = cpus(4, 7)}};
    struct plan_silo silos[] = {{.cpus = cpus(0, 3), .node = 0}, {.cpus = cpus(4, 7), .node = 1}};
    struct home_map map;

    make(&map, nodes, 2, silos, 2);
    cr_assert_eq(home_silo(&map, 1, 0, 0), 1, "RPS moved the packet to the wrong node's CPU");
    cr_assert_eq(home_silo(&map, 0, 6, 0), 0);
    cr_assert_eq(home_silo(&map, -1, 6, 0), 1, "no NAPI id: the CPU's node");
    cr_assert_eq(home_silo(&map, -1, -1, 0), HOME_ANYWHERE);
    cr_assert_eq(home_silo(&map, 7, 2, 0), 0, "a node that nobody knows: the CPU's");
    cr_assert_eq(home_cpu_node(&map, 5), 1);
    cr_assert_eq(home_cpu_node(&map, 8), -1);
    cr_assert_eq(home_cpu_node(&map, -1), -1);
    cr_assert_eq(home_cpu_node(&map, CPU_SETSIZE), -1);
    home_map_free(&map);
}

Test(home, several_silos_of_a_node_share_by_cpu_or_by_hash)
{
    struct machine_node nodes[] = {{.id = 0, .cpus = cpus(0, 7)}, {.id = 1, .cpus = cpus(8, 15)}};
    struct plan_silo silos[] = {{.cpus = cpus(0, 3), .node = 0}, {.cpus = cpus(4, 7), .node = 0},
                                {.cpus = cpus(8, 15), .node = 1}};
    struct home_map map;

    make(&map, nodes, 2, silos, 3);
    cr_assert_eq(home_silo(&map, 0, 5, 0), 1, "the CPU's silo, since it is on the node");
    cr_assert_eq(home_silo(&map, 0, 9, 10), 0, "processed elsewhere: by hash");
    cr_assert_eq(home_silo(&map, 0, 9, 11), 1);
    cr_assert_eq(home_silo(&map, 1, 0, 11), 2);
    home_map_free(&map);
}

Test(home, explicit_silos_without_a_node_take_that_of_their_cpus)
{
    struct machine_node nodes[] = {{.id = 0, .cpus = cpus(0, 1)}, {.id = 1, .cpus = cpus(2, 3)}};
    struct plan_silo silos[] = {{.cpus = cpus(0, 0), .node = -1}, {.cpus = cpus(2, 3), .node = -1}};
    struct home_map map;

    make(&map, nodes, 2, silos, 2);
    cr_assert_eq(map.silo_node[0], 0);
    cr_assert_eq(map.silo_node[1], 1);
    cr_assert_eq(home_silo(&map, -1, 1, 0), 0, "a CPU of no silo: one of its node");
    cr_assert_eq(map.worker_group[1], HOME_NO_GROUP, "bound to two CPUs");
    cr_assert_eq(map.worker_group[0], home_group(&map, 0));
    cr_assert_eq(home_group(&map, -1), HOME_NO_GROUP);
    cr_assert_eq(home_group(&map, CPU_SETSIZE), HOME_NO_GROUP);
    home_map_free(&map);
}

Test(home, a_silo_over_two_nodes_is_home_to_its_cpus_alone)
{
    struct machine_node nodes[] = {{.id = 0, .cpus = cpus(0, 1)}, {.id = 1, .cpus = cpus(2, 3)}};
    struct plan_silo silos[] = {{.cpus = cpus(0, 2), .node = -1}, {.cpus = cpus(3, 3), .node = 1}};
    struct home_map map;

    make(&map, nodes, 2, silos, 2);
    cr_assert_eq(map.silo_node[0], -1);
    cr_assert_eq(home_silo(&map, 0, 1, 0), 0, "no silo of node 0: where the CPU is");
    cr_assert_eq(home_silo(&map, 1, 2, 0), 1);
    home_map_free(&map);
}

Test(home, a_node_without_a_silo_and_without_its_cpus_is_anywhere)
{
    struct machine_node nodes[] = {{.id = 0, .cpus = cpus(0, 1)}, {.id = 1, .cpus = cpus(2, 3)}};
    struct plan_silo silos[] = {{.cpus = cpus(0, 1), .node = 0}};
    struct home_map map;

    make(&map, nodes, 2, silos, 1);
    cr_assert_eq(home_silo(&map, 1, 3, 0), HOME_ANYWHERE);
    cr_assert_eq(home_silo(&map, -1, 3, 0), HOME_ANYWHERE);
    home_map_free(&map);
}

Test(home, a_cpu_speaks_for_some_workers_only_where_their_caches_differ)
{
    int16_t groups[] = {2, 2, 2};
    struct home_map map = {.worker_group = groups, .nworkers = 3};

    cr_assert(!home_groups_differ(&map), "all share one cache");
    groups[2] = HOME_NO_GROUP;
    cr_assert(home_groups_differ(&map), "one is not bound");
    groups[0] = groups[1] = HOME_NO_GROUP;
    cr_assert(!home_groups_differ(&map), "none is bound");
    groups[1] = 3;
    cr_assert(home_groups_differ(&map));
    map.nworkers = 1;
    cr_assert(!home_groups_differ(&map));
}
