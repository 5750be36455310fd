// SPDX-License-Identifier: Apache-2.0
#include "server/locality/home.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/topo/machine.h"
#include "server/process/plan.h"
#include "server/process/worker_cpus.h"

// The node that all CPUs of a silo share, or unknown.
static int common_node(const struct home_map *map, const cpu_set_t *cpus)
{
    int node = MACHINE_NODE_UNKNOWN;

    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, cpus))
            continue;
        if (node != MACHINE_NODE_UNKNOWN && map->cpu_node[cpu] != node)
            return MACHINE_NODE_UNKNOWN;
        node = map->cpu_node[cpu];
        if (node == MACHINE_NODE_UNKNOWN)
            return node;
    }
    return node;
}

static void place_silos(struct home_map *map, const struct plan *plan)
{
    for (unsigned i = 0; i < plan->count; i++) {
        const struct plan_silo *s = &plan->silos[i];

        map->silo_node[i] = (int16_t)(s->node >= 0 ? s->node : common_node(map, &s->cpus));
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
            if (CPU_ISSET(cpu, &s->cpus))
                map->cpu_silo[cpu] = (int16_t)i;
        }
    }
}

// The n-th silo (counted round) of a node.
static int silo_of_node(const struct home_map *map, int node, uint32_t n)
{
    unsigned count = 0;

    for (unsigned i = 0; i < map->nsilos; i++)
        count += map->silo_node[i] == node;
    if (count == 0)
        return HOME_ANYWHERE;
    n %= count;
    for (unsigned i = 0;; i++) {
        if (map->silo_node[i] == node && n-- == 0)
            return (int)i;
    }
}

// The caches that matter are those of workers that are bound to one CPU.
static void group_workers(struct home_map *map, const struct plan *plan,
                          const struct worker_cpus *cpus, const struct machine *machine)
{
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        map->cpu_group[cpu] = HOME_NO_GROUP;
    for (unsigned i = 0; i < plan->workers; i++) {
        int only = worker_cpus_only(cpus, i);

        map->worker_group[i] = HOME_NO_GROUP;
        if (only < 0)
            continue;
        if (map->cpu_group[only] == HOME_NO_GROUP)
            map->cpu_group[only] = (int16_t)machine_cpu_l3(machine, only);
        map->worker_group[i] = map->cpu_group[only];
    }
}

int home_map_make(struct home_map *map, const struct plan *plan, const struct worker_cpus *cpus,
                  const struct machine *machine)
{
    map->nsilos = plan->count;
    map->nworkers = plan->workers;
    map->silo_node = calloc(plan->count, sizeof(*map->silo_node));
    map->worker_group = calloc(plan->workers, sizeof(*map->worker_group));
    if (map->silo_node == NULL || map->worker_group == NULL)
        return -ENOMEM;
    group_workers(map, plan, cpus, machine);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        map->cpu_silo[cpu] = HOME_ANYWHERE;
        map->cpu_node[cpu] = (int16_t)machine_cpu_node(machine, cpu);
    }
    place_silos(map, plan);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (map->cpu_silo[cpu] == HOME_ANYWHERE && map->cpu_node[cpu] != MACHINE_NODE_UNKNOWN)
            map->cpu_silo[cpu] = (int16_t)silo_of_node(map, map->cpu_node[cpu], (uint32_t)cpu);
    }
    return 0;
}

void home_map_free(struct home_map *map)
{
    free(map->silo_node);
    free(map->worker_group);
    map->silo_node = map->worker_group = NULL;
}

int home_cpu_node(const struct home_map *map, int cpu)
{
    return cpu >= 0 && cpu < CPU_SETSIZE ? map->cpu_node[cpu] : MACHINE_NODE_UNKNOWN;
}

int home_group(const struct home_map *map, int cpu)
{
    return cpu >= 0 && cpu < CPU_SETSIZE ? map->cpu_group[cpu] : HOME_NO_GROUP;
}

bool home_groups_differ(const struct home_map *map)
{
    for (unsigned i = 1; i < map->nworkers; i++) {
        if (map->worker_group[i] != map->worker_group[0])
            return true;
    }
    return false;
}

int home_silo(const struct home_map *map, int node, int cpu, uint32_t hash)
{
    int near = cpu >= 0 && cpu < CPU_SETSIZE ? map->cpu_silo[cpu] : HOME_ANYWHERE;

    if (node == MACHINE_NODE_UNKNOWN || (near != HOME_ANYWHERE && map->silo_node[near] == node))
        return near;
    int silo = silo_of_node(map, node, hash);
    return silo != HOME_ANYWHERE ? silo : near;
}
