// SPDX-License-Identifier: Apache-2.0
//
// The machine as the program may use it: which CPUs, how many of them at once, how they group into
// nodes and caches; and the plan that spreads workers over silos. The master does this once, before
// it starts silos. CPU and node numbers are the kernel's.
#pragma once

#include <sched.h>
#include <stddef.h>

#include "lib/base/compiler.h"
#include "lib/base/sv.h"

struct machine;

#define TOPO_SILOS_MAX 128
#define TOPO_NODE_ANY (-1) // no memory policy

// CPUs that share a node or a cache.
struct topo_group {
    cpu_set_t cpus;
    int node;
};

struct topo {
    cpu_set_t online;   // what the machine has
    cpu_set_t allowed;  // what the process may run on (affinity, cpusets)
    unsigned nallowed;
    unsigned quota;     // CPUs of the control group's bandwidth, rounded up; 0: no limit
    cpu_set_t nodes;    // nodes that are online
    int node_count;
    struct topo_group *by_node; // allowed CPUs alone; a node that has none is left out
    struct topo_group *by_l3;   // the same; read at first need
    unsigned nby_node, nby_l3;
    char *root; // where the machine was captured; "": this one
};

// This machine: affinity, quota and nodes; a few small files, and no hwloc. 0 or -errno.
must_check int topo_load(struct topo *t);
// A machine that is known already, or was made up. Of one that was captured all CPUs are allowed
// but for what ROOT/proc/self/status (Cpus_allowed_list) and ROOT/sys/fs/cgroup say. 0, -ENOMEM, or
// -ENODEV for a machine without a CPU.
must_check int topo_load_machine(struct topo *t, const struct machine *m);
void topo_destroy(struct topo *t);

// worker_processes auto: min(allowed CPUs, quota), at least 1.
unsigned topo_auto_workers(const struct topo *t);

enum topo_mode { TOPO_AUTO, TOPO_NODE, TOPO_L3, TOPO_NONE };

struct topo_silo {
    cpu_set_t cpus;
    int node; // or TOPO_NODE_ANY
    unsigned workers;
};

// Groups the allowed CPUs and spreads `workers` (at least 1) over the groups in proportion to their
// CPUs; a group that gets none is left out. `auto` is `node`. A node without CPUs, or none of whose
// CPUs is allowed, has no silo; one without memory or without a NIC has, because its CPUs count.
// Caches are read with hwloc, for `l3` alone; without a cache level 3, `l3` is `node`. 0, -ENOMEM,
// or -ENOSPC when there are more silos than `max`.
must_check int topo_plan(struct topo *t, enum topo_mode mode, unsigned workers,
                         struct topo_silo *out, unsigned max, unsigned *count);

// Silos written out in the configuration: checks them all, and spreads `workers` over them; each
// gets one at least. 0, or -EINVAL with the reason in `why` and the index of the silo at fault in
// `which`: a CPU given twice (the later one is at fault), not there or not allowed, a node that is
// not there, no CPU at all.
must_check int topo_plan_explicit(const struct topo *t, struct topo_silo *silos, unsigned count,
                                  unsigned workers, unsigned *which, char *why, size_t why_size);

// "0-3,8" (the kernel's cpulist). 0, or -EINVAL with the reason in `why`.
must_check int topo_parse_cpus(struct sv text, cpu_set_t *cpus, char *why, size_t why_size);
// And back; cut to the last range that fits in `size` (with "..." after it), "" for no CPU.
#define TOPO_CPUS_TEXT 128
void topo_format_cpus(const cpu_set_t *cpus, char *out, size_t size);

// The calling thread, and those it starts, from now on (sched_setaffinity(2)). 0 or -errno.
must_check int topo_bind_cpus(const cpu_set_t *cpus);
// New pages of the calling thread, and of threads it starts, come from `node` while it has some
// (set_mempolicy(2), preferred: a full node is no failure). TOPO_NODE_ANY: the system's default.
// A kernel without NUMA has nothing to bind, which is success; -EPERM in some containers.
must_check int topo_bind_memory(int node);
