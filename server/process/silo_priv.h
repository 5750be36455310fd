// SPDX-License-Identifier: Apache-2.0
//
// The inside of a silo process: its workers' threads.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "server/process/silo.h"
#include "server/worker.h"

struct locality;
struct stapler;

// One worker and its thread. Only the atomics are shared between that thread and the silo's own.
struct crew {
    struct worker *worker;
    struct worker_setup setup;
    struct silo *silo;
    pthread_t thread;
    atomic_bool ready, ended;
    int result; // of worker_run(); valid when ended
    bool counted, joined;
    bool drain_sent, stop_sent;
};

struct silo {
    const struct silo_setup *setup;
    struct crew *crew;
    struct stapler *stapler; // NULL: nothing to staple
    struct locality *locality; // NULL: connections stay where they are accepted
    struct worker **workers;   // of the crew
    uint64_t connections; // *N of the log, for all workers
    unsigned ncrew, running, ready;
    int event_fd;   // a thread changed its state
    int signal_fd;
    bool drain, stop;
    atomic_bool ways_changed; // which interfaces connections leave by
    bool announced; // SILO_READY has been written
    int exit_code;
};

// Starts the threads. 0 or -errno with a line logged; those started run on.
must_check int silo_crew_start(struct silo *s);
// Looks at what the threads became, and passes on what is to be done.
void silo_crew_turn(struct silo *s);
void silo_crew_command(struct silo *s, enum worker_command command);
void silo_crew_free(struct silo *s);
