// SPDX-License-Identifier: Apache-2.0
//
// Nodes and third-level caches, through hwloc. The only file that knows the library.
#include <errno.h>
#include <stdlib.h>

#include "lib/topo/topo_priv.h"

static void take_cpus(hwloc_const_bitmap_t set, cpu_set_t *left, cpu_set_t *cpus)
{
    CPU_ZERO(cpus);
    for (int cpu = hwloc_bitmap_first(set); cpu >= 0 && cpu < CPU_SETSIZE;
         cpu = hwloc_bitmap_next(set, cpu)) {
        if (CPU_ISSET(cpu, left)) {
            CPU_CLR(cpu, left);
            CPU_SET(cpu, cpus);
        }
    }
}

// One group for each object with CPUs that no earlier one had: a node of other memory (HBM, CXL)
// has none, or those of the node beside it.
static int read_type(const struct topo *t, hwloc_topology_t machine, hwloc_obj_type_t type,
                     struct topo_group **out, unsigned *count)
{
    int n = hwloc_get_nbobjs_by_type(machine, type);
    cpu_set_t left = t->allowed;

    *count = 0;
    *out = calloc((size_t)(n > 0 ? n : 0) + 1, sizeof(**out));
    if (*out == NULL)
        return -ENOMEM;
    if (n <= 0)
        return 0;
    for (int i = 0; i < n; i++) {
        hwloc_obj_t obj = hwloc_get_obj_by_type(machine, type, (unsigned)i);
        struct topo_group *g = &(*out)[*count];

        if (obj == NULL || obj->cpuset == NULL)
            continue;
        take_cpus(obj->cpuset, &left, &g->cpus);
        g->node = obj->nodeset != NULL ? hwloc_bitmap_first(obj->nodeset) : TOPO_NODE_ANY;
        if (CPU_COUNT(&g->cpus) > 0)
            (*count)++;
    }
    // CPUs that belong nowhere are used all the same.
    if (*count > 0 && CPU_COUNT(&left) > 0)
        (*out)[(*count)++] = (struct topo_group){.cpus = left, .node = TOPO_NODE_ANY};
    return 0;
}

int topo_read_groups(struct topo *t, hwloc_topology_t machine)
{
    int rc = read_type(t, machine, HWLOC_OBJ_NUMANODE, &t->by_node, &t->nby_node);

    return rc != 0 ? rc : read_type(t, machine, HWLOC_OBJ_L3CACHE, &t->by_l3, &t->nby_l3);
}

int topo_need_groups(struct topo *t)
{
    hwloc_topology_t machine;

    if (t->by_node != NULL)
        return 0;
    if (hwloc_topology_init(&machine) != 0)
        return -ENOMEM;
    // Only these are looked at; cores, other caches and devices cost time on large machines.
    hwloc_topology_set_all_types_filter(machine, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(machine, HWLOC_OBJ_L3CACHE, HWLOC_TYPE_FILTER_KEEP_ALL);
    int rc = hwloc_topology_load(machine) == 0 ? topo_read_groups(t, machine)
                                               : -(errno != 0 ? errno : EIO);
    hwloc_topology_destroy(machine);
    return rc;
}
