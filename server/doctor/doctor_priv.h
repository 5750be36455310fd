// SPDX-License-Identifier: Apache-2.0
//
// One examination: what is looked at, through what, and what came of it. A check is a row of a
// table in the file of its subject; it reads through tree_priv.h and nic_priv.h, and reports
// through finding_priv.h.
#pragma once

#include "lib/base/arena.h"
#include "lib/topo/machine.h"
#include "server/doctor/doctor.h"
#include "server/doctor/finding_priv.h"

struct nic_calls;

// A command of the system. 0 when it ran, with its exit status; or -errno.
struct doctor_runner {
    int (*run)(void *context, const char *const *argv, int *status);
    void *context;
};

struct doctor {
    const struct doctor_options *options;
    const struct machine *machine;
    const struct nic_calls *nics; // asks the drivers
    struct doctor_runner runner;
    const char *root;             // "" for this machine
    unsigned cpu_nodes;           // nodes with CPUs
    cpu_set_t cpus;               // of all nodes
    struct arena arena;           // all that findings hold
    struct finding *findings, **findings_end;
    int error;                    // -ENOMEM: the findings are not complete
};

enum check_phase {
    PHASE_FIRST, // its changes move what later checks look at: queues, who sets affinities
    PHASE_REST,
};

struct check {
    const char *id;
    enum severity severity; // of its findings, unless one says otherwise
    enum check_phase phase;
    const char *why;
    // False when there is nothing here that it could look at.
    bool (*look)(struct doctor *d, const struct check *c);
};

// The tables, each ended by a row without an id.
extern const struct check irq_checks[], nic_checks[], offload_checks[], packet_checks[],
    bond_checks[], tcp_checks[], kernel_checks[], memory_checks[], limit_checks[], tls_checks[];

void doctor_init(struct doctor *d, const struct doctor_options *options, const struct machine *m);
void doctor_destroy(struct doctor *d);

// Drops the findings of a phase and looks again.
void doctor_examine(struct doctor *d, enum check_phase phase);

// Runs what the findings ask for, one by one, and records in `undo_path` what there was before.
// Prints each with its result, unless out is NULL. 0 or -errno when the undo file is unusable:
// nothing more was changed then.
must_check int doctor_apply(struct doctor *d, const char *undo_path, FILE *out);

// Takes back what the undo file says, the last first. 0 with how many were not, or -errno when the
// file is unusable: nothing was changed then. -ENOENT: there is no such file.
must_check int doctor_take_back(struct doctor *d, const char *undo_path, FILE *out,
                                unsigned *failed);

extern const struct doctor_runner doctor_system;  // fork and exec
extern const struct doctor_runner doctor_no_runner; // a tree has nothing to run
