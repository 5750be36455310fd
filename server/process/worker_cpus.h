// SPDX-License-Identifier: Apache-2.0
//
// Which CPUs each worker is bound to: what `worker_cpu_affinity` says, or else one CPU for each
// worker where there are several silos. A worker never leaves the CPUs of its silo.
#pragma once

#include <sched.h>
#include <stddef.h>

#include "lib/base/compiler.h"
#include "lib/base/sv.h"

struct cpu_affinity;
struct plan;

struct worker_cpus {
    cpu_set_t *of;  // malloc'd; by the worker's index among all. Empty: bound as its silo is
    unsigned count;
};

// One mask of the directive: "0101", the last digit is CPU 0; spaces are skipped. 0, or -EINVAL
// with nginx's words in `why`.
must_check int worker_cpus_parse(struct sv word, cpu_set_t *mask, char *why, size_t why_size);

// `affinity` NULL: the directive is not there. Then nothing is bound where there is one silo, as in
// nginx; of several silos, those that have a CPU for each of their workers. 0 or -ENOMEM; what of
// the directive cannot be is a [warn].
must_check int worker_cpus_make(const struct cpu_affinity *affinity, const struct plan *plan,
                                struct worker_cpus *out);
void worker_cpus_free(struct worker_cpus *w); // zeroed is allowed

// The one CPU that a worker is bound to, or -1 where it has none or several.
int worker_cpus_only(const struct worker_cpus *w, unsigned worker);

// Binds the calling thread, the worker's own. What the kernel refuses is logged and goes without.
void worker_cpus_bind(const struct worker_cpus *w, unsigned worker);
