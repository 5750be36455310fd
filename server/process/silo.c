// SPDX-License-Identifier: Apache-2.0
//
// The silo's own thread: it becomes what the configuration says, starts the workers, and then waits
// for signals, for them, and for the end of the master.
#include "server/process/silo.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "server/locality/locality.h"
#include "server/process/environment.h"
#include "server/process/proctitle.h"
#include "server/process/signals.h"
#include "server/process/silo_priv.h"
#include "server/tls/stapler.h"

static int raise_nofile(int64_t want)
{
    struct rlimit limit = {(rlim_t)want, (rlim_t)want};

    if (want <= 0)
        return 0;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_alert(errno, "setrlimit(RLIMIT_NOFILE, %lld) failed", (long long)want);
    return 0;
}

// Everything that changes the process as a whole, in the order in which it is still allowed.
static int become(const struct silo_setup *setup)
{
    const struct main_conf *conf = &setup->config->main;
    char **environment = environment_make(conf->env, setup->environment, NULL);
    int rc;

    if (environment == NULL)
        return -ENOMEM;
    environ = environment;
    raise_nofile(conf->worker_rlimit_nofile);
    plan_bind(setup->plan);
    if (setup->control >= 0) {
        rc = privileges_drop(setup->identity);
        if (rc != 0)
            return rc;
    }
    if (conf->working_directory.n > 0 && chdir(conf->working_directory.p) != 0) {
        rc = -errno;
        log_alert(-rc, "chdir(\"%s\") failed", conf->working_directory.p);
        return rc;
    }
    return 0;
}

static void reopen_logs(struct silo *s)
{
    const struct log_file *failed;
    int rc;

    log_notice(0, "reopening logs");
    rc = log_files_open(s->setup->config, true, (unsigned)-1, (unsigned)-1, &failed);
    if (rc != 0)
        log_emerg(-rc, "open() \"%s\" failed", failed->path);
    log_files_take_stderr(s->setup->config);
    silo_crew_command(s, WORKER_REOPEN_LOGS);
}

// Clients that get no staple ask themselves, so a failure is no reason not to serve.
static void start_stapler(struct silo *s)
{
    int rc = stapler_start(s->setup->config->http, log_current(), &s->stapler);

    if (rc != 0)
        log_alert(-rc, "could not start the stapler");
}

// On the locality's thread: the silo's own passes it on.
static void find_ways(void *ctx)
{
    struct silo *s = ctx;

    atomic_store(&s->ways_changed, true);
    (void)eventfd_write(s->event_fd, 1);
}

// Without it connections are served where they are accepted.
static void start_locality(struct silo *s)
{
    const struct silo_setup *setup = s->setup;
    struct locality_setup l = {
        .conf = &setup->config->main,
        .plan = setup->silos,
        .cpus = setup->cpus,
        .exchange = setup->exchange,
        .silo = (unsigned)(setup->plan - setup->silos->silos),
        .sinks = log_current(),
        .egress_changed = find_ways,
        .ctx = s,
    };
    int rc = locality_start(&l, &s->locality);

    if (rc != 0)
        log_alert(-rc, "connections cannot be placed");
}

static void begin_drain(struct silo *s)
{
    if (s->drain)
        return;
    s->drain = true;
    stapler_stop(s->stapler);
    log_notice(0, "gracefully shutting down");
    proctitle_set("silo process is shutting down");
}

static void on_signal(struct silo *s, const struct signalfd_siginfo *info)
{
    enum signal_action action = signal_action((int)info->ssi_signo);

    if (action == SIGNAL_CHILD)
        return;
    signal_log((int)info->ssi_signo, (int)info->ssi_pid, signal_silo_text(action));
    if (action == SIGNAL_QUIT)
        begin_drain(s);
    else if (action == SIGNAL_TERMINATE)
        s->stop = true;
    else if (action == SIGNAL_REOPEN)
        reopen_logs(s);
}

static void announce(struct silo *s)
{
    char byte = SILO_READY;

    if (s->announced || s->ready < s->ncrew)
        return;
    s->announced = true;
    log_files_take_stderr(s->setup->config);
    // When the master is gone, the next look at the socket says so.
    if (s->setup->control >= 0 && write(s->setup->control, &byte, 1) != 1)
        log_alert(errno, "write() to the master process failed");
}

static void wait_for_event(struct silo *s)
{
    struct pollfd fds[] = {
        {s->event_fd, POLLIN, 0}, {s->signal_fd, POLLIN, 0}, {s->setup->control, POLLIN, 0}};
    struct signalfd_siginfo info;
    eventfd_t count;

    if (poll(fds, 3, -1) < 0)
        return; // only ever interrupted
    if (fds[0].revents != 0)
        eventfd_read(s->event_fd, &count);
    if (fds[1].revents != 0 && read(s->signal_fd, &info, sizeof(info)) == sizeof(info))
        on_signal(s, &info);
    if (fds[2].revents != 0) {
        // The master never writes: this is its end, and there is nobody who would replace us.
        log_notice(0, "the master process is gone, exiting");
        _exit(0);
    }
}

static int open_descriptors(struct silo *s)
{
    s->signal_fd = signals_open();
    s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->signal_fd < 0 || s->event_fd < 0) {
        log_alert(errno, "signalfd() or eventfd() failed");
        return -EMFILE;
    }
    return 0;
}

int silo_run(const struct silo_setup *setup)
{
    struct silo s = {.setup = setup, .event_fd = -1, .signal_fd = -1};

    if (become(setup) != 0 || open_descriptors(&s) != 0)
        return SILO_FATAL;
    start_locality(&s);
    if (silo_crew_start(&s) != 0) {
        s.exit_code = SILO_FATAL;
        s.stop = true;
    } else {
        start_stapler(&s);
    }
    while (s.running > 0) {
        silo_crew_turn(&s);
        if (atomic_exchange(&s.ways_changed, false))
            silo_crew_command(&s, WORKER_FIND_WAYS);
        announce(&s);
        if (s.running > 0)
            wait_for_event(&s);
    }
    log_notice(0, "exiting");
    stapler_free(s.stapler);
    locality_stop(s.locality);
    silo_crew_free(&s);
    close(s.event_fd);
    close(s.signal_fd);
    return s.exit_code;
}
