// SPDX-License-Identifier: Apache-2.0
#include "server/locality/disk_map.h"

#include <sys/sysmacros.h>

#include "lib/base/compiler.h"
#include "lib/topo/machine.h"
#include "lib/topo/mounts.h"

#define ANSWER_OF(node) ((node) + 2)
#define NODE_OF(answer) ((answer) - 2)
#define KEPT_OF(mount) ((uint64_t)((mount) + 2))
#define MOUNT_OF(kept) ((int64_t)(kept) - 2)

int disk_map_node(struct disk_map *map, dev_t dev, int fd, bool *ask)
{
    *ask = false;
    for (unsigned i = 0; i < DISK_MAP_SIZE; i++) {
        uint64_t found = atomic_load_explicit(&map->slots[i].dev, memory_order_acquire);

        if (found == 0)
            *ask = atomic_compare_exchange_strong(&map->slots[i].dev, &found, (uint64_t)dev + 1);
        if (*ask) {
            int64_t mount = major(dev) == 0 ? mounts_id(fd) : MOUNT_UNKNOWN;

            atomic_store_explicit(&map->slots[i].mount, KEPT_OF(mount), memory_order_release);
            return -1;
        }
        if (found == (uint64_t)dev + 1) {
            int answer = atomic_load_explicit(&map->slots[i].answer, memory_order_relaxed);
            return answer == 0 ? -1 : NODE_OF(answer);
        }
    }
    return -1;
}

static int common_node(const struct machine *machine, dev_t dev, int64_t mount)
{
    const struct machine_disk *disks[MACHINE_MEMBERS_MAX];
    unsigned n = machine_disks(machine, dev, mount, disks, array_len(disks));

    for (unsigned i = 1; i < n; i++) {
        if (disks[i]->node != disks[0]->node)
            return -1;
    }
    return n != 0 ? disks[0]->node : -1;
}

void disk_map_answer(struct disk_map *map, const struct machine *machine)
{
    for (unsigned i = 0; i < DISK_MAP_SIZE; i++) {
        uint64_t dev = atomic_load_explicit(&map->slots[i].dev, memory_order_acquire);
        uint64_t mount = atomic_load_explicit(&map->slots[i].mount, memory_order_acquire);

        if (dev == 0)
            return;
        // Who came with it wakes this thread once more when the mount is there.
        if (mount == 0 ||
            atomic_load_explicit(&map->slots[i].answer, memory_order_relaxed) != 0)
            continue;
        int node = common_node(machine, (dev_t)(dev - 1), MOUNT_OF(mount));
        atomic_store_explicit(&map->slots[i].answer, ANSWER_OF(node), memory_order_relaxed);
    }
}
