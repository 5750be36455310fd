// SPDX-License-Identifier: Apache-2.0
//
// A silo: an unprivileged process bound to one node (or one group of CPUs) that runs a thread for
// each of its workers. It obeys signals as an nginx worker process does, tells the master when all
// its workers accept, and ends when the master is gone.
#pragma once

#include "server/process/plan.h"
#include "server/process/privileges.h"

struct config;
struct exchange;
struct worker_cpus;
struct stats;

#define SILO_READY 'R' // the one byte a silo writes to `control`
#define SILO_FATAL 2   // exit code: it could not begin, and would not the next time either

struct silo_setup {
    struct config *config;
    const struct plan_silo *plan; // this silo's
    const struct plan *silos;     // all of them
    struct exchange *exchange;    // between them
    const struct worker_cpus *cpus;
    struct stats *const *stats;  // one for each worker of this silo
    const struct identity *identity;
    int control;                 // socket to the master; -1 without one (master_process off)
    char *const *environment;    // of the program's start
};

// Signals that the process tree listens to are blocked before, by the master; a thread that is
// started later inherits that. Runs until the silo ends; its exit code.
int silo_run(const struct silo_setup *setup);
