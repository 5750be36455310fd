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

static int serve(struct master *m, const struct plan_silo *plan, struct stats **stats)
{
    struct generation *g = m->next;
    struct silo_setup setup = {
        .config = g->config,
        .plan = plan,
        .workers = plan->workers,
        .stats = stats,
        .identity = &g->identity,
        .control = -1,
        .environment = m->setup->environment,
    };
    int rc = pidfile_write(g->pid_path, getpid());

    if (rc != 0) {
        report(LOG_LEVEL_EMERG, -rc, "open() \"%s\" failed", g->pid_path);
        return 1;
    }
    master_tell_starter(m);
    rc = silo_run(&setup);
    if (unlink(g->pid_path) != 0)
        log_alert(errno, "unlink() \"%s\" failed", g->pid_path);
    return rc;
}

int master_run_single(struct master *m)
{
    struct plan_silo plan = {.node = -1, .workers = m->next->plan.workers};
    struct stats **stats = calloc(plan.workers, sizeof(struct stats *));
    int code;

    if (stats == NULL)
        return 1;
    for (unsigned i = 0; i < plan.workers; i++) {
        stats[i] = stats_claim();
        if (stats[i] == NULL)
            stats[i] = stats_shared();
    }
    sched_getaffinity(0, sizeof(plan.cpus), &plan.cpus);
    signals_block();
    code = serve(m, &plan, stats);
    listeners_close(&m->listeners, true, false);
    log_notice(0, "exit");
    log_use(m->boot_log);
    generation_free(m->next);
    free(m->next);
    tls_ticket_keys_free(m->tickets);
    free(stats);
    return code;
}
