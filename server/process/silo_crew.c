// SPDX-License-Identifier: Apache-2.0
//
// The threads of a silo. A worker may be told something only between its "ready" and its end, so a
// command that comes earlier waits here.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "server/process/listeners.h"
#include "server/process/silo_priv.h"
#include "server/process/worker_cpus.h"

static void crew_set(struct crew *c, atomic_bool *flag)
{
    atomic_store(flag, true);
    check(eventfd_write(c->silo->event_fd, 1) == 0);
}

static void on_ready(struct worker *w, void *ctx)
{
    struct crew *c = ctx;

    (void)w;
    crew_set(c, &c->ready);
}

static void *crew_thread(void *ctx)
{
    struct crew *c = ctx;
    char name[16];

    snprintf(name, sizeof(name), "worker %u", c->silo->setup->plan->first + c->setup.index);
    pthread_setname_np(pthread_self(), name);
    worker_cpus_bind(c->silo->setup->cpus, c->silo->setup->plan->first + c->setup.index);
    c->result = worker_run(c->worker, &c->setup, on_ready, c);
    crew_set(c, &c->ended);
    return NULL;
}

// A worker that drains closes its listening sockets, so two of them never share a number.
static int take_fd(const struct listen_conf *l, const struct silo_setup *setup, unsigned worker,
                   unsigned i)
{
    int fd = l->fds[listeners_share_at(l->nfds, setup->silos->workers, worker, i)];

    return l->nfds < setup->silos->workers ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : fd;
}

// Puts together which sockets the worker accepts from, and for which listen_conf each of them is.
static int crew_listeners(struct crew *c, const struct silo_setup *setup, unsigned worker)
{
    struct http_conf *http = setup->config->http;
    struct listen_conf **confs;
    unsigned total = 0, at = 0;
    int *fds;

    for (struct listen_conf *l = http != NULL ? http->listens : NULL; l != NULL; l = l->next)
        total += listeners_share(l->nfds, setup->silos->workers, worker);
    fds = calloc(total + 1, sizeof(*fds));
    confs = calloc(total + 1, sizeof(*confs));
    c->setup.listen_fds = fds;
    c->setup.listen_confs = confs;
    c->setup.nlisteners = total;
    if (fds == NULL || confs == NULL)
        return -ENOMEM;
    for (struct listen_conf *l = http != NULL ? http->listens : NULL; l != NULL; l = l->next) {
        unsigned share = listeners_share(l->nfds, setup->silos->workers, worker);

        for (unsigned i = 0; i < share; i++, at++) {
            confs[at] = l;
            fds[at] = take_fd(l, setup, worker, i);
            if (fds[at] < 0)
                return -errno;
        }
    }
    return 0;
}

static int crew_prepare(struct silo *s, unsigned i)
{
    const struct silo_setup *setup = s->setup;
    struct crew *c = &s->crew[i];

    c->silo = s;
    c->setup.connection_counter = &s->connections;
    c->setup.config = setup->config;
    c->setup.cpus = &setup->plan->cpus;
    c->setup.index = i;
    c->setup.stats = setup->stats[i];
    c->setup.handoff = (struct handoff_setup){.locality = s->locality,
                                              .first = setup->plan->first,
                                              .crew = s->workers};
    c->worker = aligned_alloc(64, (sizeof(*c->worker) + 63) / 64 * 64);
    if (c->worker == NULL)
        return -ENOMEM;
    memset(c->worker, 0, sizeof(*c->worker));
    s->workers[i] = c->worker;
    return crew_listeners(c, setup, setup->plan->first + i);
}

// All before the first runs: they know each other.
static int crew_prepare_all(struct silo *s)
{
    unsigned n = s->setup->plan->workers;

    s->crew = calloc(n, sizeof(*s->crew));
    s->workers = calloc(n, sizeof(struct worker *));
    if (s->crew == NULL || s->workers == NULL)
        return -ENOMEM;
    for (; s->ncrew < n; s->ncrew++) {
        int rc = crew_prepare(s, s->ncrew);

        s->crew[s->ncrew].joined = true; // until it runs
        if (rc != 0)
            return rc;
    }
    return 0;
}

int silo_crew_start(struct silo *s)
{
    int rc = crew_prepare_all(s);

    for (unsigned i = 0; rc == 0 && i < s->ncrew; i++) {
        struct crew *c = &s->crew[i];

        rc = -pthread_create(&c->thread, NULL, crew_thread, c);
        if (rc != 0)
            break;
        c->joined = false;
        s->running++;
    }
    if (rc != 0)
        log_alert(-rc, "could not start worker %u", s->running);
    return rc;
}

static void crew_ended(struct silo *s, struct crew *c)
{
    pthread_join(c->thread, NULL);
    c->joined = true;
    s->running--;
    if (c->result == 0)
        return;
    // One that never accepted will not the next time; one that failed later may be tried again.
    if (s->exit_code == 0)
        s->exit_code = c->ready ? 1 : SILO_FATAL;
    s->stop = true;
}

static bool crew_listens(const struct crew *c)
{
    return c->ready && !c->ended;
}

static void crew_pass_on(struct silo *s, struct crew *c)
{
    if (s->stop && !c->stop_sent) {
        c->stop_sent = true;
        worker_command(c->worker, WORKER_STOP);
    } else if (s->drain && !c->drain_sent) {
        c->drain_sent = true;
        worker_command(c->worker, WORKER_DRAIN);
    }
}

void silo_crew_turn(struct silo *s)
{
    for (unsigned i = 0; i < s->ncrew; i++) {
        struct crew *c = &s->crew[i];

        if (c->ready && !c->counted) {
            c->counted = true;
            s->ready++;
        }
        if (c->ended && !c->joined)
            crew_ended(s, c);
    }
    // Second, because the end of one may have been the reason to stop the others.
    for (unsigned i = 0; i < s->ncrew; i++) {
        if (crew_listens(&s->crew[i]))
            crew_pass_on(s, &s->crew[i]);
    }
}

void silo_crew_command(struct silo *s, enum worker_command command)
{
    for (unsigned i = 0; i < s->ncrew; i++) {
        if (crew_listens(&s->crew[i]))
            worker_command(s->crew[i].worker, command);
    }
}

void silo_crew_free(struct silo *s)
{
    for (unsigned i = 0; i < s->ncrew; i++) {
        struct crew *c = &s->crew[i];

        free((void *)c->setup.listen_fds);
        free((void *)c->setup.listen_confs);
        free(c->worker);
    }
    free(s->workers);
    free(s->crew);
}
