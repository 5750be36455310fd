// SPDX-License-Identifier: Apache-2.0
//
// From a file system's device (st_dev) to the node of its disks. Found out once, on another thread;
// any thread reads. A subvolume of btrfs has a device of its own.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DISK_MAP_SIZE 64 // file systems that files are served from; what is beyond stays unknown

struct machine;

struct disk_map {
    struct {
        _Atomic uint64_t dev;    // plus 1; 0: free
        _Atomic uint64_t mount;  // plus 2; 0: not yet; 1: unknown or not needed
        _Atomic int32_t answer;  // 0: not yet; else the node, plus 2
    } slots[DISK_MAP_SIZE];
};

// `fd`: an open file of that device. -1: unknown, of no disk, or of disks on several nodes. *ask:
// it is new, and the other thread should be woken.
int disk_map_node(struct disk_map *map, dev_t dev, int fd, bool *ask);
// For the other thread.
void disk_map_answer(struct disk_map *map, const struct machine *machine);
