// SPDX-License-Identifier: Apache-2.0
//
// Which silos there are and how many workers each one runs: what the configuration says, laid over
// the machine.
#pragma once

#include <sched.h>

#include "lib/base/compiler.h"

struct main_conf;
struct topo;

struct plan_silo {
    cpu_set_t cpus;
    int node;         // -1: not bound to one
    unsigned first;   // index of its first worker among all
    unsigned workers; // at least 1
};

struct plan {
    struct plan_silo *silos; // malloc'd
    unsigned count;
    unsigned workers; // of all silos
};

// 0, or -errno with everything said.
must_check int plan_make(const struct main_conf *conf, struct plan *plan);
// The same on a machine that was read before, or is another one.
must_check int plan_make_on(struct topo *t, const struct main_conf *conf, struct plan *plan);
void plan_free(struct plan *plan);

// Binds the calling process (and threads it starts) to the silo's CPUs, its memory to the node.
// What the kernel refuses is logged and goes without.
void plan_bind(const struct plan_silo *silo);
