// SPDX-License-Identifier: Apache-2.0
#include "server/process/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/topo/topo.h"
#include "server/config/config.h"
#include "server/process/report.h"

static enum topo_mode mode_of(int64_t silos)
{
    switch (silos) {
    case SILOS_NODE:
        return TOPO_NODE;
    case SILOS_L3:
        return TOPO_L3;
    case SILOS_NONE:
        return TOPO_NONE;
    default:
        return TOPO_AUTO;
    }
}

// `auto` with silos written out: a worker for each of their CPUs, as far as the quota goes.
static unsigned explicit_workers(const struct topo *t, const struct main_conf *conf,
                                 const struct topo_silo *silos, unsigned count)
{
    unsigned cpus = 0;

    if (conf->worker_processes > 0)
        return (unsigned)conf->worker_processes;
    for (unsigned i = 0; i < count; i++)
        cpus += (unsigned)CPU_COUNT(&silos[i].cpus);
    return max_of(min_of(cpus, topo_auto_workers(t)), count);
}

static int plan_explicit(const struct topo *t, const struct main_conf *conf,
                         struct topo_silo *silos, unsigned *count)
{
    const struct silo_line *where = conf->silo_lines;
    unsigned which = 0;
    char why[256];
    int rc;

    *count = 0;
    for (const struct silo_line *l = where; l != NULL; l = l->next) {
        if (*count == TOPO_SILOS_MAX)
            return -ENOSPC;
        silos[(*count)++] = (struct topo_silo){.cpus = l->cpus, .node = l->node};
    }
    rc = topo_plan_explicit(t, silos, *count, explicit_workers(t, conf, silos, *count),
                            &which, why, sizeof(why));
    while (rc == -EINVAL && which-- > 0)
        where = where->next;
    if (rc == -EINVAL && where->where != NULL)
        report(LOG_LEVEL_EMERG, 0, "%s in %s:%u", why, where->where->file, where->where->line);
    else if (rc == -EINVAL)
        report(LOG_LEVEL_EMERG, 0, "%s", why);
    return rc;
}

static int plan_auto(struct topo *t, const struct main_conf *conf, struct topo_silo *silos,
                     unsigned *count)
{
    unsigned workers = conf->worker_processes > 0 ? (unsigned)conf->worker_processes
                                                  : topo_auto_workers(t);

    return topo_plan(t, mode_of(conf->silos), workers, silos, TOPO_SILOS_MAX, count);
}

static int fill(struct plan *plan, const struct topo_silo *silos, unsigned count)
{
    plan->silos = calloc(count, sizeof(*plan->silos));
    if (plan->silos == NULL)
        return -ENOMEM;
    plan->count = count;
    for (unsigned i = 0; i < count; i++) {
        plan->silos[i] = (struct plan_silo){.cpus = silos[i].cpus, .node = silos[i].node,
                                            .first = plan->workers, .workers = silos[i].workers};
        plan->workers += silos[i].workers;
    }
    return 0;
}

int plan_make_on(struct topo *t, const struct main_conf *conf, struct plan *plan)
{
    struct topo_silo *silos = calloc(TOPO_SILOS_MAX, sizeof(*silos));
    unsigned count = 0;
    int rc;

    memset(plan, 0, sizeof(*plan));
    if (silos == NULL)
        return -ENOMEM;
    rc = conf->silo_lines != NULL ? plan_explicit(t, conf, silos, &count)
                                  : plan_auto(t, conf, silos, &count);
    if (rc == -ENOSPC)
        report(LOG_LEVEL_EMERG, 0, "more than %d silos", TOPO_SILOS_MAX);
    if (rc == 0)
        rc = fill(plan, silos, count);
    free(silos);
    return rc;
}

int plan_make(const struct main_conf *conf, struct plan *plan)
{
    struct topo t;
    int rc = topo_load(&t);

    memset(plan, 0, sizeof(*plan));
    if (rc != 0) {
        report(LOG_LEVEL_EMERG, -rc, "reading the CPUs and nodes of the machine failed");
        return rc;
    }
    rc = plan_make_on(&t, conf, plan);
    topo_destroy(&t);
    return rc;
}

void plan_free(struct plan *plan)
{
    free(plan->silos);
    memset(plan, 0, sizeof(*plan));
}

void plan_bind(const struct plan_silo *silo)
{
    int rc = topo_bind_cpus(&silo->cpus);

    if (rc != 0)
        log_alert(-rc, "sched_setaffinity() failed");
    rc = topo_bind_memory(silo->node);
    // Containers commonly forbid it; it costs locality, nothing else.
    if (rc == -EPERM)
        log_info(-rc, "set_mempolicy() failed");
    else if (rc == -EINVAL)
        log_notice(0, "node %d has no memory for this process, its neighbours give it", silo->node);
    else if (rc != 0)
        log_alert(-rc, "set_mempolicy() failed");
}
