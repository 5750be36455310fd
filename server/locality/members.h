// SPDX-License-Identifier: Apache-2.0
//
// The numbers under which bytes are counted by the interface that they leave by: the physical
// interfaces of the machine, in the kernel's order. Master and silos count alike, each from its own
// look at the machine.
#pragma once

#include <stdatomic.h>

#include "server/process/stats.h"

struct machine;

struct members {
    _Atomic int links[STATS_MEMBERS]; // ifindex; 0: none
};

// Takes them from the machine; others may read meanwhile.
void members_set(struct members *m, const struct machine *machine);
// The number of an interface, or -1.
int members_number(const struct members *m, int link);
// Says in the shared counters what the numbers stand for. The master does.
void members_describe(const struct machine *machine);
