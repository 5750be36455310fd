// SPDX-License-Identifier: Apache-2.0
//
// Steering as the master sees it: what serves is the current generation, on the sockets that there
// are, on the machine as it is now.
#include <stdlib.h>
#include <string.h>

#include "lib/topo/machine.h"
#include "server/locality/members.h"
#include "server/process/master_priv.h"
#include "server/process/report.h"
#include "server/process/steering_plan.h"

struct steering_job {
    const struct steering_plan *plan;
    enum steering_kind kind; // of the last address
    unsigned addresses;
};

static void apply(void *ctx, const struct net_address *address, const int *fds, unsigned nfds)
{
    struct steering_job *job = ctx;

    (void)address;
    job->kind = steering_plan_apply(job->plan, fds, nfds);
    job->addresses++;
}

static enum steering_aim aim_of(const struct main_conf *conf)
{
    return conf->steering == STEER_WORKERS ? STEERING_AT_WORKERS
           : conf->steering == STEER_SILOS ? STEERING_AT_SILOS
                                           : STEERING_AT_BEST;
}

static int make_plan(struct master *m, const struct machine *machine, struct steering_plan *plan)
{
    const struct generation *g = m->current;

    *plan = (struct steering_plan){.ncpus = 0};
    if (g->exchange.board == NULL || g->config->main.steering == STEER_OFF)
        return 0;
    return steering_plan_make(&g->plan, &g->cpus, machine, aim_of(&g->config->main), plan);
}

void master_steer(struct master *m)
{
    struct steering_plan plan;
    struct machine machine;
    int rc = machine_load(&machine, NULL);

    if (rc != 0) {
        log_alert(-rc, "reading the machine failed, connections are not steered");
        return;
    }
    members_describe(&machine);
    // Silos that the configuration before had.
    for (unsigned i = m->current->plan.count; i < stats_silos(); i++)
        stats_silo_state(i, STATS_SILO_GONE, 0, 0);
    rc = make_plan(m, &machine, &plan);
    if (rc != 0)
        log_alert(-rc, "connections are not steered");
    struct steering_job job = {.plan = &plan};
    if (rc == 0)
        listeners_each_tcp(&m->listeners, apply, &job);
    if (rc == 0 && job.addresses != 0 && !steering_plan_empty(&plan))
        log_notice(0, "connections are steered by %s", steering_name(job.kind));
    steering_plan_free(&plan);
    machine_free(&machine);
}
