// SPDX-License-Identifier: Apache-2.0
//
// The allowed CPUs in groups: by node, as the kernel has them, and by third-level cache, through
// hwloc. The only file that knows the library.
#include <errno.h>
#include <stdlib.h>

#include "lib/topo/topo_priv.h"

static struct topo_group *new_groups(int n)
{
    return calloc((size_t)(n > 0 ? n : 0) + 1, sizeof(struct topo_group));
}

// Moves what both sets have from `left` to the group, which counts when that is something.
static void take_cpus(const cpu_set_t *cpus, cpu_set_t *left, struct topo_group *groups,
                      unsigned *count, int node)
{
    struct topo_group *g = &groups[*count];

    CPU_AND(&g->cpus, cpus, left);
    CPU_XOR(left, left, &g->cpus);
    g->node = node;
    if (CPU_COUNT(&g->cpus) > 0)
        (*count)++;
}

int topo_read_nodes(struct topo *t, const struct machine *m)
{
    cpu_set_t left = t->allowed;

    t->nby_node = 0;
    t->by_node = new_groups((int)m->nnodes);
    if (t->by_node == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < m->nnodes; i++)
        take_cpus(&m->nodes[i].cpus, &left, t->by_node, &t->nby_node, m->nodes[i].id);
    // CPUs that belong nowhere are used all the same.
    take_cpus(&left, &left, t->by_node, &t->nby_node, TOPO_NODE_ANY);
    return 0;
}

static void to_set(hwloc_const_bitmap_t bits, cpu_set_t *cpus)
{
    CPU_ZERO(cpus);
    for (int cpu = hwloc_bitmap_first(bits); cpu >= 0 && cpu < CPU_SETSIZE;
         cpu = hwloc_bitmap_next(bits, cpu))
        CPU_SET(cpu, cpus);
}

// The node that all of them are on. A cache may span two, where firmware splits a socket.
static int node_of(const struct topo *t, const cpu_set_t *cpus)
{
    for (unsigned i = 0; i < t->nby_node; i++) {
        cpu_set_t both;

        CPU_AND(&both, cpus, &t->by_node[i].cpus);
        if (CPU_COUNT(&both) > 0)
            return CPU_COUNT(&both) == CPU_COUNT(cpus) ? t->by_node[i].node : TOPO_NODE_ANY;
    }
    return TOPO_NODE_ANY;
}

int topo_read_caches(struct topo *t, hwloc_topology_t machine)
{
    int n = hwloc_get_nbobjs_by_type(machine, HWLOC_OBJ_L3CACHE);
    cpu_set_t left = t->allowed, cpus;

    t->nby_l3 = 0;
    t->by_l3 = new_groups(n);
    if (t->by_l3 == NULL)
        return -ENOMEM;
    for (int i = 0; i < n; i++) {
        hwloc_obj_t obj = hwloc_get_obj_by_type(machine, HWLOC_OBJ_L3CACHE, (unsigned)i);

        if (obj == NULL || obj->cpuset == NULL)
            continue;
        to_set(obj->cpuset, &cpus);
        CPU_AND(&cpus, &cpus, &t->allowed);
        take_cpus(&cpus, &left, t->by_l3, &t->nby_l3, node_of(t, &cpus));
    }
    if (t->nby_l3 > 0)
        take_cpus(&left, &left, t->by_l3, &t->nby_l3, node_of(t, &left));
    return 0;
}

// hwloc takes the root of a captured tree from its environment, once, while it loads.
static int load(hwloc_topology_t machine, const char *root)
{
    bool captured = root != NULL && root[0] != '\0';

    // Only these are looked at; cores, other caches and devices cost time on large machines.
    hwloc_topology_set_all_types_filter(machine, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(machine, HWLOC_OBJ_L3CACHE, HWLOC_TYPE_FILTER_KEEP_ALL);
    if (captured && setenv("HWLOC_FSROOT", root, 1) != 0)
        return -errno;
    int rc = hwloc_topology_load(machine) == 0 ? 0 : -(errno != 0 ? errno : EIO);
    if (captured)
        unsetenv("HWLOC_FSROOT");
    return rc;
}

int topo_need_caches(struct topo *t)
{
    hwloc_topology_t machine;

    if (t->by_l3 != NULL)
        return 0;
    if (hwloc_topology_init(&machine) != 0)
        return -ENOMEM;
    int rc = load(machine, t->root);
    if (rc == 0)
        rc = topo_read_caches(t, machine);
    hwloc_topology_destroy(machine);
    return rc;
}
