// SPDX-License-Identifier: Apache-2.0
//
// A configuration and what the machine was made to give for it: opened logs, sockets, the user to
// run as, the silos to start. Everything that can fail comes before the first silo is started.
#pragma once

#include <stdbool.h>

#include "server/locality/exchange.h"
#include "server/process/listeners.h"
#include "server/process/plan.h"
#include "server/process/privileges.h"
#include "server/process/worker_cpus.h"

struct config;
struct log_sink;
struct tls_ticket_keys;

struct generation {
    struct config *config; // owned
    struct identity identity;
    struct plan plan;
    struct worker_cpus cpus;
    struct exchange exchange;
    struct log_sink *sinks; // of the main error log; in the configuration's arena
    char *pid_path;
    char *notes; // what the plan came to, until it is logged; malloc'd
};

enum generation_use { GENERATION_START, GENERATION_RELOAD, GENERATION_TEST };

// Takes `config`. 0, or -errno with everything said; then nothing is left of it, and of the
// listeners only what was there before. For GENERATION_TEST no socket stays open. At start and in a
// test the thread logs to the configuration's error log from then on. `tickets` are the master's,
// borrowed; NULL in a test.
must_check int generation_make(struct generation *g, struct config *config, const char *prefix,
                               struct listeners *listeners, struct tls_ticket_keys *tickets,
                               enum generation_use use);
// Says in the log what the silos are and what is odd about the machine, once.
void generation_log_plan(struct generation *g);
// Closes its logs, zones and TLS contexts and frees all. The listeners are not touched.
void generation_free(struct generation *g);

// The pid file's path: absolute, malloc'd; NULL when memory is out.
char *generation_pid_path(const struct config *config, const char *prefix);
