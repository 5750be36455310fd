// SPDX-License-Identifier: Apache-2.0
//
// Which disks there are.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/topo/machine_priv.h"

// An NVMe disk with several paths is a device of no bus. Its paths are hidden disks: nvme0n1 has
// nvme0c0n1, nvme0c1n1. The kernel sends a request down the path nearest to the CPU that asks, so
// when they are on several nodes the disk is on none of them.
static int node_of_paths(const struct machine *m, const char *top, const char *name)
{
    int subsystem, space, at = 0, node = MACHINE_NODE_UNKNOWN;
    char prefix[SYSFS_NAME_MAX], suffix[SYSFS_NAME_MAX], dir[SYSFS_PATH_MAX];
    sysfs_name *names;
    unsigned count;

    if (sscanf(name, "nvme%dn%d%n", &subsystem, &space, &at) != 2 || name[at] != '\0')
        return node;
    snprintf(prefix, sizeof(prefix), "nvme%dc", subsystem);
    snprintf(suffix, sizeof(suffix), "n%d", space);
    if (sysfs_names(top, prefix, 64, &names, &count) != 0)
        return node;
    for (unsigned i = 0; i < count; i++) {
        const char *n = strrchr(names[i], 'n');

        if (strcmp(n, suffix) != 0 || !sysfs_path(dir, "%s/%s", top, names[i]))
            continue;
        int one = sysfs_device_node(m->root, dir);
        if (one == MACHINE_NODE_UNKNOWN)
            continue;
        if (node != MACHINE_NODE_UNKNOWN && one != node) {
            node = MACHINE_NODE_UNKNOWN;
            break;
        }
        node = one;
    }
    free(names);
    return node;
}

// Whole disks of some bus: md, dm, loop and the like have no device, and what is hidden is a path
// to another disk. Drives for discs and floppies hold nothing to serve.
static bool read_disk(const struct machine *m, const char *top, const char *name,
                      struct machine_disk *disk)
{
    char dir[SYSFS_PATH_MAX];
    int64_t hidden;

    if (strlen(name) >= sizeof(disk->name) || !sysfs_path(dir, "%s/%s", top, name) ||
        strncmp(name, "sr", 2) == 0 || strncmp(name, "fd", 2) == 0 ||
        !sysfs_exists(dir, "device") || (sysfs_number(dir, "hidden", &hidden) && hidden == 1) ||
        !sysfs_dev(dir, &disk->dev))
        return false;
    strcpy(disk->name, name);
    disk->node = sysfs_device_node(m->root, dir);
    if (disk->node == MACHINE_NODE_UNKNOWN)
        disk->node = node_of_paths(m, top, name);
    disk->node = machine_plausible_node(m, disk->node);
    return true;
}

int machine_load_disks(struct machine *m)
{
    char top[SYSFS_PATH_MAX];
    sysfs_name *names;
    unsigned count;
    int rc;

    if (!sysfs_path(top, "%s/sys/block", m->root))
        return -ENAMETOOLONG;
    rc = sysfs_names(top, "", MACHINE_DISKS_MAX, &names, &count);
    if (rc == -ENOENT)
        return 0;
    if (rc != 0)
        return rc;
    m->disks = calloc((size_t)count + 1, sizeof(*m->disks));
    for (unsigned i = 0; m->disks != NULL && i < count; i++) {
        if (read_disk(m, top, names[i], &m->disks[m->ndisks]))
            m->ndisks++;
    }
    free(names);
    return m->disks != NULL ? 0 : -ENOMEM;
}
