// SPDX-License-Identifier: Apache-2.0
//
// Nodes, their CPUs and their memory.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/topo/machine_priv.h"

// "MemTotal: 123 kB", with "Node 0 " before it in a node's own file.
static uint64_t read_memory(const char *path)
{
    FILE *f = sysfs_open(path);
    char line[256];
    unsigned long long kib;
    uint64_t bytes = 0;

    if (f == NULL)
        return 0;
    for (unsigned i = 0; i < 100 && bytes == 0 && fgets(line, sizeof(line), f) != NULL; i++) {
        const char *at = strstr(line, "MemTotal:");

        if (at != NULL && sscanf(at + strlen("MemTotal:"), "%llu kB", &kib) == 1 &&
            kib <= UINT64_MAX / 1024)
            bytes = kib * 1024;
    }
    fclose(f);
    return bytes;
}

// Of a single node all memory is its own. The node's file may leave out what was plugged in later,
// as a virtual machine's is.
static void take_all_memory(struct machine *m)
{
    char path[SYSFS_PATH_MAX];
    uint64_t all = sysfs_path(path, "%s/proc/meminfo", m->root) ? read_memory(path) : 0;

    if (m->nnodes == 1 && all > m->nodes[0].memory)
        m->nodes[0].memory = all;
}

// A kernel without NUMA: one node with all there is.
static int load_only_node(struct machine *m)
{
    char dir[SYSFS_PATH_MAX];

    m->nodes = calloc(1, sizeof(*m->nodes));
    if (m->nodes == NULL)
        return -ENOMEM;
    m->nnodes = 1;
    if (!sysfs_path(dir, "%s/sys/devices/system/cpu", m->root) ||
        !sysfs_cpus(dir, "online", &m->nodes[0].cpus))
        return -ENOENT;
    return 0;
}

static void read_node(const char *top, int id, struct machine_node *node)
{
    char dir[SYSFS_PATH_MAX], path[SYSFS_PATH_MAX];

    node->id = id;
    if (!sysfs_path(dir, "%s/node%d", top, id))
        return;
    sysfs_cpus(dir, "cpulist", &node->cpus);
    if (sysfs_path(path, "%s/meminfo", dir))
        node->memory = read_memory(path);
}

// A CPU is on one node: the kernel never says otherwise, a tree that was tampered with might.
static void take_cpus_once(struct machine *m)
{
    cpu_set_t taken;

    CPU_ZERO(&taken);
    for (unsigned i = 0; i < m->nnodes; i++) {
        cpu_set_t *cpus = &m->nodes[i].cpus, both;

        CPU_AND(&both, cpus, &taken);
        CPU_XOR(cpus, cpus, &both);
        CPU_OR(&taken, &taken, cpus);
    }
}

static int load_nodes(struct machine *m)
{
    char dir[SYSFS_PATH_MAX];
    cpu_set_t ids;

    if (!sysfs_path(dir, "%s/sys/devices/system/node", m->root) ||
        !sysfs_cpus(dir, "online", &ids))
        return load_only_node(m);
    m->nodes = calloc((size_t)CPU_COUNT(&ids), sizeof(*m->nodes));
    if (m->nodes == NULL)
        return -ENOMEM;
    for (int id = 0; id < MACHINE_NODES_MAX; id++) {
        if (CPU_ISSET(id, &ids))
            read_node(dir, id, &m->nodes[m->nnodes++]);
    }
    take_cpus_once(m);
    return 0;
}

int machine_load_nodes(struct machine *m, const char *root)
{
    char sys[SYSFS_PATH_MAX];
    size_t n = root != NULL ? strlen(root) : 0;
    int rc;

    *m = (struct machine){.root = NULL};
    while (n > 0 && root[n - 1] == '/')
        n--;
    m->root = strndup(n > 0 ? root : "", n);
    if (m->root == NULL)
        return -ENOMEM;
    rc = sysfs_path(sys, "%s/sys", m->root) && sysfs_exists(sys, "devices") ? 0 : -ENOENT;
    if (rc == 0)
        rc = load_nodes(m);
    if (rc == 0)
        take_all_memory(m);
    else
        machine_free(m);
    return rc;
}
