// SPDX-License-Identifier: Apache-2.0
//
// master_process off: one process that is the silo and looks after its own pid file. For trying
// things out; it keeps the rights it was started with, does not reload, and seals session tickets
// with the same keys as long as it runs.
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/process/master_priv.h"
#include "server/process/pidfile.h"
#include "server/process/report.h"
#include "server/process/signals.h"
#include "server/process/silo.h"
#include "server/process/stats.h"

static int serve(struct master *m, const struct plan *silos, struct stats **stats)
{
    struct generation *g = m->next;
    struct exchange none = {.board = NULL};
    struct worker_cpus cpus;
    struct silo_setup setup = {
        .config = g->config,
        .plan = silos->silos,
        .silos = silos,
        .exchange = &none,
        .cpus = &cpus,
        .stats = stats,
        .identity = &g->identity,
        .control = -1,
        .environment = m->setup->environment,
    };
    int rc = worker_cpus_make(g->config->main.cpu_affinity, silos, &cpus);

    if (rc != 0)
        return 1;
    rc = pidfile_write(g->pid_path, getpid());
    if (rc != 0) {
        report(LOG_LEVEL_EMERG, -rc, "open() \"%s\" failed", g->pid_path);
        worker_cpus_free(&cpus);
        return 1;
    }
    master_tell_starter(m);
    rc = silo_run(&setup);
    worker_cpus_free(&cpus);
    if (unlink(g->pid_path) != 0)
        log_alert(errno, "unlink() \"%s\" failed", g->pid_path);
    return rc;
}

int master_run_single(struct master *m)
{
    struct plan_silo silo = {.node = -1, .workers = m->next->plan.workers};
    struct plan silos = {.silos = &silo, .count = 1, .workers = silo.workers};
    struct stats **stats = calloc(silo.workers, sizeof(struct stats *));
    int code;

    if (stats == NULL)
        return 1;
    for (unsigned i = 0; i < silo.workers; i++) {
        stats[i] = stats_claim();
        if (stats[i] == NULL)
            stats[i] = stats_shared();
        stats_place(stats[i], 0);
    }
    sched_getaffinity(0, sizeof(silo.cpus), &silo.cpus);
    signals_block();
    code = serve(m, &silos, stats);
    listeners_close(&m->listeners, true, false);
    log_notice(0, "exit");
    log_use(m->boot_log);
    generation_free(m->next);
    free(m->next);
    tls_ticket_keys_free(m->tickets);
    free(stats);
    return code;
}
