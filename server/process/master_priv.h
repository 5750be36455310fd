// SPDX-License-Identifier: Apache-2.0
//
// The inside of the master: one loop (master.c) sees signals, ended children and silos that became
// ready, and calls what reacts to them.
//
// At start and at reload there are two generations: `current` (none at start) serves, `next` is
// being started. When all silos of `next` accept it is committed: the others drain, and what only
// they needed is closed. When one of them cannot begin, `next` is given up.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/list.h"
#include "server/process/master.h"
#include "server/process/respawn.h"
#include "server/tls/ticket_rotation.h"

enum silo_state {
    SILO_STARTING,
    SILO_SERVING,
    SILO_DRAINING, // told to finish its connections
    SILO_PAUSING,  // dead; to be started again at respawn_at
};

struct silo_process {
    struct list node;
    enum silo_state state;
    pid_t pid;                    // 0 while pausing
    int control;                  // -1 while pausing
    struct generation *generation; // NULL once it drains: its own may be gone
    const struct plan_silo *plan; // of that generation
    struct stats **stats;         // nstats slots, one for each worker
    unsigned nstats;
    unsigned index;               // in its generation's plan
    unsigned restarts;            // in place of one that died
    uint64_t started_ms, respawn_at;
    struct respawn respawn;
};

struct master {
    const struct master_setup *setup;
    struct listeners listeners;
    struct generation *current, *next;
    struct list silos; // of all generations
    struct tls_ticket_keys *tickets; // of all generations
    struct ticket_rotation rotation; // of `tickets`
    struct log_sink *boot_log; // what there was before the first generation's
    int signal_fd;
    int parent_fd;     // daemon: the first process waits here for the end of the start; else -1
    pid_t parent;      // who was our parent at start
    pid_t new_binary;  // its process; 0 without one
    bool daemonised;
    bool not_accepting; // WINCH
    // What signals asked for.
    bool reap, terminate, quit, reload, reopen, change_binary, no_accept, restart;
    bool quit_sent, started, failed;
    unsigned terminate_ms;  // pause before the next TERM; 0: none sent yet
    uint64_t terminate_at;
};

uint64_t master_now(void); // milliseconds, CLOCK_MONOTONIC

// master_silo.c
// Sets a silo's state, and says it in the shared counters while it is the one with its number.
void master_silo_state(struct silo_process *s, enum silo_state state);
// Starts the silos of a generation. 0 or -errno with a line logged.
must_check int master_start_silos(struct master *m, struct generation *g);
// Sends a signal to all silos; with `g`, to those of that generation.
void master_signal_silos(struct master *m, const struct generation *g, int signo);
// Lets every silo that is not of `keep` drain.
void master_drain_silos(struct master *m, const struct generation *keep);
// Starts those whose pause is over.
void master_respawn_due(struct master *m);
bool master_silos_alive(const struct master *m);
bool master_silos_serving(const struct master *m, const struct generation *g);
// Takes a dead one off: its control socket, its counters.
void master_silo_ended(struct master *m, struct silo_process *s);
void master_silo_free(struct silo_process *s);

// master_reap.c: looks at all ended children.
void master_reap(struct master *m);

// master_reload.c
void master_reload(struct master *m);
// Commits or gives up `next` when it is time.
void master_settle(struct master *m);
void master_give_up_next(struct master *m);

// master_steer.c: connections are steered to the silos of the current generation.
void master_steer(struct master *m);

// master_single.c: master_process off. Exit code.
int master_run_single(struct master *m);
// master_daemon.c
// The first process never returns: it waits until the master says that it serves and exits with
// what came of it, so that whoever started us learns the truth. In the master 0, or -errno when it
// cannot go on, with a line logged.
must_check int master_become_daemon(struct master *m);
// Lets the first process go, when the start has succeeded.
void master_tell_starter(struct master *m);
