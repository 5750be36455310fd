// SPDX-License-Identifier: Apache-2.0
//
// Block devices for trees: NVMe disks with partitions, md, dm, loop devices and btrfs.
#pragma once

#include "lib/topo/machine.h"
#include "test/unit/lib/topo/tree_fixture.h"

// A block device in `dir` below sys/devices, with its links.
static inline void tree_block(const char *dir, const char *name, const char *dev)
{
    char target[256];

    tree_put(dev, "sys/devices/%s/%s/dev", dir, name);
    snprintf(target, sizeof(target), "../devices/%s/%s", dir, name);
    tree_link(target, "sys/block/%s", name);
    snprintf(target, sizeof(target), "../../devices/%s/%s", dir, name);
    tree_link(target, "sys/dev/block/%s", dev);
}

// An NVMe disk with a partition, at PCI device 80+i. Its numbers are 259:(2i) and 259:(2i+1).
static inline void tree_nvme(int i, int node)
{
    char dir[96], name[32], dev[16], target[256];

    snprintf(dir, sizeof(dir), "sys/devices/pci0000:80/0000:80:%02x.0", (unsigned)i);
    tree_number(node, dir, "numa_node");
    snprintf(dir, sizeof(dir), "pci0000:80/0000:80:%02x.0/nvme/nvme%d", (unsigned)i, i);
    snprintf(name, sizeof(name), "nvme%dn1", i);
    snprintf(dev, sizeof(dev), "259:%d", 2 * i);
    tree_block(dir, name, dev);
    tree_link("..", "sys/devices/%s/%s/device", dir, name);
    snprintf(dev, sizeof(dev), "259:%d", 2 * i + 1);
    tree_put(dev, "sys/devices/%s/%s/%sp1/dev", dir, name, name);
    tree_put("1", "sys/devices/%s/%s/%sp1/partition", dir, name, name);
    snprintf(target, sizeof(target), "../../devices/%s/%s/%sp1", dir, name, name);
    tree_link(target, "sys/dev/block/%s", dev);
}

// md or dm of others, which are given by their numbers.
static inline void tree_stacked(const char *name, const char *dev, const char *const *below)
{
    char target[128];

    tree_block("virtual/block", name, dev);
    for (; *below != NULL; below++) {
        snprintf(target, sizeof(target), "../../../../../dev/block/%s", *below);
        tree_link(target, "sys/devices/virtual/block/%s/slaves/%s", name, *below);
    }
}

// loopN, which is 7:N, of a file.
static inline void tree_loop(int i, const char *file)
{
    char name[32], dev[16];

    snprintf(name, sizeof(name), "loop%d", i);
    snprintf(dev, sizeof(dev), "7:%d", i);
    tree_block("virtual/block", name, dev);
    tree_put(file, "sys/devices/virtual/block/%s/loop/backing_file", name);
}

// A device of a btrfs, by its name and its number.
static inline void tree_btrfs(const char *uuid, const char *name, const char *dev)
{
    char target[64];

    snprintf(target, sizeof(target), "../../../../dev/block/%s", dev);
    tree_link(target, "sys/fs/btrfs/%s/devices/%s", uuid, name);
}

// "nvme0n1 nvme1n1"
static inline const char *tree_disks(const struct machine *m, dev_t dev, int64_t mount)
{
    static char text[MACHINE_MEMBERS_MAX * 40];
    const struct machine_disk *out[MACHINE_MEMBERS_MAX];
    unsigned n = machine_disks(m, dev, mount, out, MACHINE_MEMBERS_MAX);

    text[0] = '\0';
    for (unsigned i = 0; i < n; i++) {
        if (i > 0)
            strcat(text, " ");
        strcat(text, out[i]->name);
    }
    return text;
}

// A tree of two nodes, each with a disk that has a partition: nvme0n1p1 is 259:1, nvme1n1p1 is
// 259:3.
static inline void tree_two_disks(void)
{
    tree_begin();
    tree_nodes("0-1");
    tree_node(0, "0-3", 2048);
    tree_node(1, "4-7", 1024);
    tree_nvme(0, 0);
    tree_nvme(1, 1);
}
