// SPDX-License-Identifier: Apache-2.0
//
// Silos as the master sees them: starting, telling, counting.
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/topo/topo.h"
#include "server/config/http_conf.h"
#include "server/limits/zone.h"
#include "server/process/master_priv.h"
#include "server/process/proctitle.h"
#include "server/process/report.h"
#include "server/process/silo.h"
#include "server/process/stats.h"

void master_silo_free(struct silo_process *s)
{
    list_remove(&s->node);
    free(s->stats);
    free(s);
}

static struct silo_process *silo_new(struct master *m, struct generation *g, unsigned i)
{
    struct silo_process *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->generation = g;
    s->plan = &g->plan.silos[i];
    s->index = i;
    s->control = -1;
    s->nstats = s->plan->workers;
    list_append(&m->silos, &s->node);
    s->stats = calloc(s->nstats, sizeof(struct stats *));
    if (s->stats == NULL) {
        master_silo_free(s);
        return NULL;
    }
    return s;
}

// What belongs to the master alone. Another silo's control socket matters most: held here, it
// would hide the master's end from that silo.
static void leave_master(struct master *m)
{
    list_each(it, &m->silos) {
        struct silo_process *s = container_of(it, struct silo_process, node);

        if (s->control >= 0)
            close(s->control);
    }
    close(m->signal_fd);
    if (m->parent_fd >= 0)
        close(m->parent_fd);
}

static _Noreturn void silo_child(struct master *m, struct silo_process *s, int control)
{
    struct silo_setup setup = {
        .config = s->generation->config,
        .plan = s->plan,
        .silos = &s->generation->plan,
        .exchange = &s->generation->exchange,
        .cpus = &s->generation->cpus,
        .stats = s->stats,
        .identity = &s->generation->identity,
        .control = control,
        .environment = m->setup->environment,
    };

    leave_master(m);
    stats_leave();
    listeners_keep(&m->listeners, setup.config->http, setup.silos->workers, s->plan->first,
                   s->plan->workers);
    exchange_keep(setup.exchange, s->plan->first, s->plan->workers);
    log_use(s->generation->sinks);
    report_started();
    proctitle_set("silo process");
    exit(silo_run(&setup));
}

static const enum stats_silo_state shown[] = {
    [SILO_STARTING] = STATS_SILO_STARTING, [SILO_SERVING] = STATS_SILO_UP,
    [SILO_DRAINING] = STATS_SILO_DRAINING, [SILO_PAUSING] = STATS_SILO_PAUSING};

// One that drains for a reload shares its number with the one that takes its place.
void master_silo_state(struct silo_process *s, enum silo_state state)
{
    char cpus[64];

    s->state = state;
    if (s->generation == NULL)
        return;
    topo_format_cpus(&s->plan->cpus, cpus, sizeof(cpus));
    stats_describe_silo(s->index, s->plan->node, cpus);
    stats_silo_state(s->index, shown[state], s->pid, s->restarts);
}

static void claim_stats(struct silo_process *s)
{
    for (unsigned i = 0; i < s->nstats; i++) {
        s->stats[i] = stats_claim();
        if (s->stats[i] == NULL)
            s->stats[i] = stats_shared();
        stats_place(s->stats[i], s->index);
    }
}

static int silo_start(struct master *m, struct silo_process *s)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        log_alert(errno, "socketpair() failed while spawning a silo process");
        return -errno;
    }
    // A configuration that is being prepared may have moved the tables of sockets.
    listeners_refresh(&m->listeners, s->generation->config->http);
    claim_stats(s);
    s->control = ends[0];
    s->started_ms = master_now();
    s->pid = fork();
    if (s->pid == 0)
        silo_child(m, s, ends[1]);
    master_silo_state(s, SILO_STARTING);
    close(ends[1]);
    if (s->pid < 0) {
        int err = errno;

        log_alert(err, "fork() failed while spawning a silo process");
        s->pid = 0;
        master_silo_ended(m, s);
        return -err;
    }
    log_notice(0, "start silo process %d, workers %u-%u", s->pid, s->plan->first,
               s->plan->first + s->plan->workers - 1);
    return 0;
}

int master_start_silos(struct master *m, struct generation *g)
{
    log_notice(0, "start silo processes");
    generation_log_plan(g);
    for (unsigned i = 0; i < g->plan.count; i++) {
        struct silo_process *s = silo_new(m, g, i);
        int rc = s == NULL ? -ENOMEM : silo_start(m, s);

        if (rc != 0) {
            if (s != NULL)
                master_silo_free(s);
            return rc;
        }
    }
    return 0;
}

void master_silo_ended(struct master *m, struct silo_process *s)
{
    (void)m;
    if (s->generation != NULL)
        exchange_silo_ended(&s->generation->exchange, s->plan->first, s->plan->workers);
    if (s->control >= 0)
        close(s->control);
    s->control = -1;
    if (s->pid > 0)
        limit_zones_silo_ended(s->pid);
    s->pid = 0;
    for (unsigned i = 0; i < s->nstats; i++)
        stats_release(s->stats[i]);
}

void master_signal_silos(struct master *m, const struct generation *g, int signo)
{
    list_each(it, &m->silos) {
        struct silo_process *s = container_of(it, struct silo_process, node);

        if (s->pid == 0 || (g != NULL && s->generation != g))
            continue;
        if (kill(s->pid, signo) != 0)
            log_alert(errno, "kill(%d, %d) failed", s->pid, signo);
    }
}

void master_drain_silos(struct master *m, const struct generation *keep)
{
    list_each_safe(it, &m->silos) {
        struct silo_process *s = container_of(it, struct silo_process, node);

        if (s->state == SILO_DRAINING || (keep != NULL && s->generation == keep))
            continue;
        if (s->state == SILO_PAUSING) {
            master_silo_free(s);
            continue;
        }
        s->state = SILO_DRAINING;
        s->generation = NULL;
        if (kill(s->pid, SIGQUIT) != 0)
            log_alert(errno, "kill(%d, %d) failed", s->pid, SIGQUIT);
    }
}

void master_respawn_due(struct master *m)
{
    uint64_t now = master_now();

    list_each(it, &m->silos) {
        struct silo_process *s = container_of(it, struct silo_process, node);

        if (s->state != SILO_PAUSING || s->respawn_at > now)
            continue;
        s->restarts++;
        if (silo_start(m, s) != 0) {
            log_alert(0, "could not respawn silo process");
            master_silo_state(s, SILO_PAUSING);
            s->respawn_at = now + respawn_delay(&s->respawn, 0);
        }
    }
}

bool master_silos_alive(const struct master *m)
{
    list_each(it, &m->silos) {
        if (container_of(it, struct silo_process, node)->pid != 0)
            return true;
    }
    return false;
}

bool master_silos_serving(const struct master *m, const struct generation *g)
{
    unsigned serving = 0;

    list_each(it, &m->silos) {
        struct silo_process *s = container_of(it, struct silo_process, node);

        if (s->generation == g && s->state == SILO_SERVING)
            serving++;
    }
    return serving == g->plan.count;
}
