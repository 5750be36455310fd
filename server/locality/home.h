// SPDX-License-Identifier: Apache-2.0
//
// Where a connection belongs: from the node and the CPU that its packets arrive on to a silo. Pure;
// made from a plan once.
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/compiler.h"

struct machine;
struct plan;
struct worker_cpus;

#define HOME_ANYWHERE (-1)
#define HOME_NO_GROUP (-1)

struct home_map {
    int16_t cpu_silo[CPU_SETSIZE]; // the silo that has the CPU, or one of its node; else ANYWHERE
    int16_t cpu_node[CPU_SETSIZE]; // MACHINE_NODE_UNKNOWN: not known
    int16_t cpu_group[CPU_SETSIZE]; // CPUs that share a level 3 cache; HOME_NO_GROUP: not known
    int16_t *worker_group;         // that of the CPU that each worker alone is bound to
    int16_t *silo_node;            // of each silo: its own, or that of all its CPUs
    unsigned nsilos, nworkers;
};

// 0 or -ENOMEM.
must_check int home_map_make(struct home_map *map, const struct plan *plan,
                             const struct worker_cpus *cpus, const struct machine *machine);
void home_map_free(struct home_map *map);

// The node of a CPU; -1 for an unknown one.
int home_cpu_node(const struct home_map *map, int cpu);

// The group of a CPU, or HOME_NO_GROUP.
int home_group(const struct home_map *map, int cpu);

// Does a connection's CPU speak for some of the workers?
bool home_groups_differ(const struct home_map *map);

// The silo for a connection whose packets come from an interface of `node` (-1: unknown) and are
// processed on `cpu` (-1: unknown). The CPU's silo if that is on the node; else a silo of the node,
// chosen by `hash` where there are several; without a node the CPU's silo. HOME_ANYWHERE: no silo
// is nearer than another.
int home_silo(const struct home_map *map, int node, int cpu, uint32_t hash);
