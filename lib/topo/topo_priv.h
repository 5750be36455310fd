// SPDX-License-Identifier: Apache-2.0
//
// The parts of lib/topo that tests feed with machines they make up.
#pragma once

#include <hwloc.h>

#include "lib/topo/machine.h"
#include "lib/topo/topo.h"

// The CPU bandwidth limit that applies to the process whose /proc/PID/cgroup is given, below a
// cgroup file system at `root`: version 2, else version 1. CPUs, rounded up; 0: no limit.
unsigned topo_cgroup_quota(const char *proc_cgroup, const char *root);

// Groups of the allowed CPUs. Each CPU is in one group of each kind. 0 or -ENOMEM.
must_check int topo_read_nodes(struct topo *t, const struct machine *m);
must_check int topo_read_caches(struct topo *t, hwloc_topology_t machine);

// Reads the caches of the machine, unless that was done. 0, -ENOMEM, or what hwloc says.
must_check int topo_need_caches(struct topo *t);

// Gives every silo at least `each` workers, then the rest to where workers per CPU are fewest.
void topo_spread(struct topo_silo *silos, unsigned count, unsigned workers, unsigned each);
