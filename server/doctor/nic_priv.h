// SPDX-License-Identifier: Apache-2.0
//
// Network interfaces with a driver: which CPUs should serve each, and what the driver says of
// queues, rings and offloads (ethtool(8), linux/ethtool.h).
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/compiler.h"

struct doctor;
struct machine_link;

#define NIC_INDIRECTION_MAX 4096

struct nic_rings {
    uint32_t rx, tx, rx_max, tx_max;
};

struct nic_channels {
    uint32_t combined, rx, tx;
    uint32_t combined_max, rx_max, tx_max;
};

struct nic_feature {
    bool active;    // it works now
    bool requested; // it was switched on; not active then, it lacks another feature
    bool available; // it can be switched
};

// Each gives 0, -EOPNOTSUPP when the driver has no such thing, or another -errno.
struct nic_calls {
    int (*rings)(const struct nic_calls *calls, const char *name, struct nic_rings *out);
    int (*channels)(const struct nic_calls *calls, const char *name, struct nic_channels *out);
    // *count: in, the room; out, the size of the table.
    int (*indirection)(const struct nic_calls *calls, const char *name, uint32_t *table,
                       uint32_t *count);
    // By the kernel's name, as `ethtool -k` shows it for those without an older one.
    int (*feature)(const struct nic_calls *calls, const char *name, const char *feature,
                   struct nic_feature *out);
};

extern const struct nic_calls nic_ioctl; // this machine
extern const struct nic_calls nic_none;  // a tree has no drivers

// One interface of a walk. Zeroed: before the first.
struct nic {
    const struct machine_link *link;
    const char *name;
    cpu_set_t cpus; // that should serve it: its node's, or all where that is not known or empty
    unsigned ncpus;
    bool placed;    // the machine has several nodes with CPUs, and it is on one of them
    unsigned next;
};

// The physical interfaces that are up.
bool nic_next(const struct doctor *d, struct nic *n);
// "eth0 (node 1)"; of the arena.
const char *nic_where(struct doctor *d, const struct nic *n);
