// SPDX-License-Identifier: Apache-2.0
//
// `millrace --doctor`: looks at the host for what defeats locality or speed, says why it matters
// and which command mends it; with apply it runs them and records how to take them back. What it
// changes lasts until the machine is started anew.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "lib/base/compiler.h"

struct machine;

#define DOCTOR_UNDO_PATH "/var/lib/millrace/doctor.undo"

// The exit codes.
enum doctor_result {
    DOCTOR_CLEAN,    // nothing found; with apply or undo: all is done
    DOCTOR_FINDINGS, // something is found or left
    DOCTOR_FAILED,   // could not look, or the undo file is unusable
};

struct doctor_options {
    // A tree with "sys" and "proc" in it, captured on another machine or made up: its files are
    // read and written, and nothing is asked of this machine. NULL or "": this machine.
    const char *root;
    const char *undo_path; // NULL: DOCTOR_UNDO_PATH, below the root
    bool apply, undo, json; // undo alone counts when both are set
    // What the configuration comes to; 0: not known.
    uint64_t workers, worker_connections, worker_rlimit_nofile;
    uint64_t silo_workers; // of the silo that has most; 0: one silo has them all
    pid_t master; // the running one, whose limits count; 0: those of this process
};

// Prints to `out`. `m` is borrowed and may be NULL for undo. What fails for a reason of its own
// goes to standard error.
must_check enum doctor_result doctor_run(const struct doctor_options *options,
                                         const struct machine *m, FILE *out);
