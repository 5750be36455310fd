// SPDX-License-Identifier: Apache-2.0
//
// From silos and workers to what steers connections (lib/net/steering.h): for each CPU that a SYN
// may be processed on, the sockets of the workers that should have the connection. A worker's
// socket has the worker's own index in its address's group; surplus sockets (listeners.h) are never
// steered to, but get their part of what the kernel's hash decides.
#pragma once

#include <stdbool.h>

#include "lib/base/compiler.h"
#include "lib/net/steering.h"

struct machine;
struct plan;
struct plan_silo;
struct worker_cpus;

enum steering_aim {
    STEERING_AT_BEST,    // at the worker, in silos for which steering_reaches_workers() holds
    STEERING_AT_WORKERS, // at the worker that alone is bound to the CPU, else at the silo
    STEERING_AT_SILOS,   // at all workers of the CPU's silo
};

// A CPU of no silo belongs to the silos of its node; where there are none, to nobody. A plan that
// would say nothing (one silo, and no worker is aimed at) is empty. Its tables are malloc'd.
// `workers`: what they are bound to. 0 or -ENOMEM.
must_check int steering_plan_make(const struct plan *plan, const struct worker_cpus *workers,
                                  const struct machine *machine, enum steering_aim aim,
                                  struct steering_plan *out);
void steering_plan_free(struct steering_plan *p); // zeroed is allowed
static inline bool steering_plan_empty(const struct steering_plan *p)
{
    return p->ncpus == 0 && p->nnodes == 0;
}

// Is there a receive queue for each worker of the silo, on an interface of its node (or of no
// known node)? With fewer queues only some CPUs process SYNs, and workers bound to the others would
// never get a connection by their CPU.
bool steering_reaches_workers(const struct machine *machine, const struct plan_silo *silo);

// Steers the sockets of one TCP address, all of them, in their order; with an empty plan takes off
// what was attached. What fails is a [warn], and the kernel's hash decides. Replacing what steers
// takes some 20 ms (steering.h), so only when plan or sockets are others than before.
enum steering_kind steering_plan_apply(const struct steering_plan *p, const int *fds,
                                       unsigned nfds);
