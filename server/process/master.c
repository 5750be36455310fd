// SPDX-License-Identifier: Apache-2.0
#include "server/process/master.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "server/process/master_priv.h"
#include "server/process/proctitle.h"
#include "server/process/report.h"
#include "server/process/signals.h"
#include "server/process/silo.h"
#include "server/process/stats.h"
#include "server/process/upgrade.h"
#include "version.h"

enum { TERMINATE_FIRST_MS = 50, TERMINATE_KILL_MS = 1000, SILOS_POLLED = 256 };

uint64_t master_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

// USR2 in a new binary while its old one still runs, or in the old one while the new one runs.
static bool upgrade_is_on(const struct master *m)
{
    return getppid() == m->parent || m->new_binary != 0;
}

static const char *note_signal(struct master *m, enum signal_action action)
{
    switch (action) {
    case SIGNAL_QUIT:
        m->quit = true;
        return ", shutting down";
    case SIGNAL_TERMINATE:
        m->terminate = true;
        return ", exiting";
    case SIGNAL_RELOAD:
        m->reload = true;
        return ", reconfiguring";
    case SIGNAL_REOPEN:
        m->reopen = true;
        return ", reopening logs";
    case SIGNAL_NO_ACCEPT:
        // A terminal sends WINCH to a master in the foreground whenever its window changes.
        m->no_accept = m->no_accept || m->daemonised;
        return m->daemonised ? ", stop accepting connections" : "";
    case SIGNAL_CHANGE_BINARY:
        m->change_binary = !upgrade_is_on(m);
        return m->change_binary ? ", changing binary" : ", ignoring";
    case SIGNAL_CHILD:
        m->reap = true;
        return "";
    default:
        return ", ignoring";
    }
}

static void read_signal(struct master *m)
{
    struct signalfd_siginfo info;
    enum signal_action action;

    if (read(m->signal_fd, &info, sizeof(info)) != sizeof(info))
        return;
    action = signal_action((int)info.ssi_signo);
    signal_log((int)info.ssi_signo, (int)info.ssi_pid, note_signal(m, action));
    if (action == SIGNAL_CHANGE_BINARY && !m->change_binary)
        log_crit(0, "the changing binary signal is ignored: you should shutdown or terminate "
                    "before either old or new binary's process");
}

static void read_ready(struct silo_process *s)
{
    char byte;

    // The end of the socket is the end of the silo; SIGCHLD says more about that.
    if (read(s->control, &byte, 1) == 1 && byte == SILO_READY) {
        master_silo_state(s, SILO_SERVING);
    } else {
        close(s->control);
        s->control = -1;
    }
}

// Milliseconds until something is due, -1 for nothing.
static int next_due(const struct master *m)
{
    uint64_t now = master_now(), due = ticket_rotation_due(&m->rotation);

    if (m->terminate_ms != 0)
        due = min_of(due, m->terminate_at);
    list_each(it, &m->silos) {
        struct silo_process *s = container_of(it, struct silo_process, node);

        if (s->state == SILO_PAUSING)
            due = min_of(due, s->respawn_at);
    }
    if (due == UINT64_MAX)
        return -1;
    return due > now ? (int)min_of(due - now, (uint64_t)INT_MAX) : 0;
}

static void wait_for_event(struct master *m)
{
    struct pollfd fds[1 + SILOS_POLLED] = {{m->signal_fd, POLLIN, 0}};
    struct silo_process *silos[1 + SILOS_POLLED];
    nfds_t n = 1;

    list_each(it, &m->silos) {
        struct silo_process *s = container_of(it, struct silo_process, node);

        if (s->state != SILO_STARTING || s->control < 0 || n > SILOS_POLLED)
            continue;
        silos[n] = s;
        fds[n++] = (struct pollfd){s->control, POLLIN, 0};
    }
    if (poll(fds, n, next_due(m)) <= 0)
        return;
    for (nfds_t i = 1; i < n; i++) {
        if (fds[i].revents != 0)
            read_ready(silos[i]);
    }
    if (fds[0].revents != 0)
        read_signal(m);
}

static void terminate_turn(struct master *m)
{
    uint64_t now = master_now();

    if (m->terminate_ms != 0 && now < m->terminate_at)
        return;
    m->terminate_ms = m->terminate_ms == 0 ? TERMINATE_FIRST_MS : m->terminate_ms * 2;
    m->terminate_at = now + m->terminate_ms;
    master_signal_silos(m, NULL, m->terminate_ms > TERMINATE_KILL_MS ? SIGKILL : SIGTERM);
}

static bool parent_lives(const struct master *m)
{
    return getppid() == m->parent;
}

static void quit_turn(struct master *m)
{
    if (m->quit_sent)
        return;
    m->quit_sent = true;
    master_drain_silos(m, NULL);
    listeners_close(&m->listeners, m->new_binary == 0, parent_lives(m));
}

static void reopen_logs(struct master *m)
{
    const struct identity *id = &m->current->identity;
    const struct log_file *failed;
    int rc;

    log_notice(0, "reopening logs");
    rc = log_files_open(m->current->config, true, id->drop ? id->uid : (unsigned)-1, id->gid,
                        &failed);
    if (rc != 0)
        log_emerg(-rc, "open() \"%s\" failed", failed->path);
    log_files_take_stderr(m->current->config);
    master_signal_silos(m, NULL, SIGUSR1);
}

static void change_binary(struct master *m)
{
    struct upgrade u = {
        .pid_path = m->current->pid_path,
        .argv = m->setup->argv,
        .environment = m->setup->environment,
        .env = m->current->config->main.env,
        .listeners = &m->listeners,
    };
    pid_t pid;

    log_notice(0, "changing binary");
    pid = upgrade_start(&u);
    m->new_binary = pid > 0 ? pid : 0;
}

static bool take(bool *flag)
{
    bool was = *flag;

    *flag = false;
    return was;
}

static void start_again(struct master *m)
{
    m->not_accepting = false;
    if (master_start_silos(m, m->current) != 0)
        log_alert(0, "could not start all silo processes");
}

// Reacts to what was asked for; what needs a settled configuration waits until there is one.
static void serve_turn(struct master *m)
{
    master_respawn_due(m);
    master_settle(m);
    if (m->next != NULL || m->terminate)
        return;
    if (take(&m->reload)) {
        if (m->new_binary != 0) {
            start_again(m);
        } else {
            log_notice(0, "reconfiguring");
            master_reload(m);
            return;
        }
    }
    if (take(&m->restart))
        start_again(m);
    if (take(&m->reopen))
        reopen_logs(m);
    if (take(&m->change_binary))
        change_binary(m);
    if (take(&m->no_accept)) {
        m->not_accepting = true;
        master_drain_silos(m, NULL);
    }
}

// Silos of either configuration may be sealing by now.
static void change_tickets(struct master *m)
{
    uint64_t life = 0;

    if (m->current != NULL)
        life = ticket_life(m->current->config->http);
    if (m->next != NULL)
        life = max_of(life, ticket_life(m->next->config->http));
    ticket_rotation_turn(&m->rotation, master_now(), life);
}

static void master_loop(struct master *m)
{
    for (;;) {
        if (take(&m->reap))
            master_reap(m);
        if ((m->terminate || m->quit) && !master_silos_alive(m))
            return;
        if (m->terminate)
            terminate_turn(m);
        else if (m->quit)
            quit_turn(m);
        else
            serve_turn(m);
        if ((m->terminate || m->quit) && !master_silos_alive(m))
            return;
        change_tickets(m);
        wait_for_event(m);
    }
}

static void delete_pid_file(struct master *m)
{
    char *old = upgrade_old_path(m->current->pid_path);
    const char *path = m->new_binary != 0 ? old : m->current->pid_path;

    if (path != NULL && unlink(path) != 0)
        log_alert(errno, "unlink() \"%s\" failed", path);
    free(old);
}

static int master_end(struct master *m)
{
    int code = m->started ? 0 : 1;

    if (m->current != NULL)
        delete_pid_file(m);
    if (m->next != NULL)
        master_give_up_next(m);
    log_notice(0, "exit");
    listeners_close(&m->listeners, m->new_binary == 0, parent_lives(m));
    log_use(NULL);
    while (!list_empty(&m->silos))
        master_silo_free(list_first(&m->silos, struct silo_process, node));
    if (m->current != NULL) {
        generation_free(m->current);
        free(m->current);
    }
    tls_ticket_keys_free(m->tickets);
    close(m->signal_fd);
    if (m->parent_fd >= 0)
        close(m->parent_fd);
    return code;
}

static void set_title(const struct master_setup *setup)
{
    char title[1024];
    size_t n = 0;

    title[0] = '\0';
    for (int i = 0; i < setup->argc && n < sizeof(title); i++)
        n += (size_t)snprintf(title + n, sizeof(title) - n, " %s", setup->argv[i]);
    proctitle_set("master process%s", title);
}

// Without keys of the master's each configuration has its own (tls_contexts_open), and what it
// sealed ends with it: no reason not to serve.
static void make_tickets(struct master *m)
{
    m->tickets = tls_ticket_keys_new();
    if (m->tickets == NULL)
        report(LOG_LEVEL_ALERT, 0, "the keys of session tickets could not be made, "
                                   "tickets will not outlive a reload");
    ticket_rotation_begin(&m->rotation, m->tickets, master_now());
}

static int master_init(struct master *m, struct config *config)
{
    struct generation *g = malloc(sizeof(*g));
    int rc = -ENOMEM;

    if (g == NULL)
        return rc;
    make_tickets(m);
    if (m->setup->inherited != NULL)
        rc = listeners_inherit(&m->listeners, m->setup->inherited);
    config->generation = 1;
    if (rc == 0 || m->setup->inherited == NULL)
        rc = generation_make(g, config, m->setup->source.prefix, &m->listeners, m->tickets,
                             GENERATION_START);
    if (rc != 0) {
        free(g);
        return rc;
    }
    m->next = g;
    rc = stats_init();
    if (rc != 0)
        report(LOG_LEVEL_EMERG, -rc, "mmap() of the counters failed");
    return rc;
}

static int master_start(struct master *m)
{
    signals_block();
    m->signal_fd = signals_open();
    if (m->signal_fd < 0) {
        report(LOG_LEVEL_EMERG, -m->signal_fd, "signalfd() failed");
        return m->signal_fd;
    }
    set_title(m->setup);
    return master_start_silos(m, m->next);
}

int master_run(const struct master_setup *setup, struct config *config)
{
    struct master m = {.setup = setup, .signal_fd = -1, .parent_fd = -1, .parent = getppid(),
                       .boot_log = log_current()};
    bool daemonise = config->main.daemon != 0 && setup->inherited == NULL;

    list_init(&m.silos);
    listeners_init(&m.listeners);
    if (master_init(&m, config) != 0) {
        tls_ticket_keys_free(m.tickets);
        return 1;
    }
    m.daemonised = setup->inherited != NULL;
    if (daemonise && master_become_daemon(&m) != 0) {
        listeners_rollback(&m.listeners);
        tls_ticket_keys_free(m.tickets);
        return 1;
    }
    tls_ticket_keys_lock(m.tickets);
    log_notice(0, "millrace/%s", MILLRACE_VERSION);
    if (m.next->config->main.master_process == 0)
        return master_run_single(&m);
    if (master_start(&m) != 0)
        m.failed = true;
    master_loop(&m);
    return master_end(&m);
}
