// SPDX-License-Identifier: Apache-2.0
//
// From one configuration to the next. The order is what keeps connections whole: bind, start, wait
// until the new silos accept, let the old ones drain, and only then close what nobody wants.
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/process/master_priv.h"
#include "server/process/pidfile.h"
#include "server/process/report.h"

static void generation_delete(struct generation *g)
{
    if (g == NULL)
        return;
    generation_free(g);
    free(g);
}

void master_reload(struct master *m)
{
    struct config_source source = m->setup->source;
    struct conf_error error = {.err = 0};
    struct config *config;
    int rc;

    m->next = malloc(sizeof(*m->next));
    if (m->next == NULL)
        return;
    rc = config_load(&source, &config, &error);
    if (rc != 0)
        report(LOG_LEVEL_EMERG, 0, "%s", error.text);
    if (rc == 0) {
        config->generation = m->current->config->generation + 1;
        rc = generation_make(m->next, config, source.prefix, &m->listeners, m->tickets,
                             GENERATION_RELOAD);
    }
    if (rc != 0) {
        free(m->next);
        m->next = NULL;
        return;
    }
    m->not_accepting = false;
    if (master_start_silos(m, m->next) != 0)
        m->failed = true;
}

void master_give_up_next(struct master *m)
{
    master_signal_silos(m, m->next, SIGTERM);
    list_each_safe(it, &m->silos) {
        struct silo_process *s = container_of(it, struct silo_process, node);

        if (s->generation != m->next)
            continue;
        s->generation = NULL;
        if (s->pid == 0)
            master_silo_free(s);
        else
            s->state = SILO_DRAINING;
    }
    listeners_rollback(&m->listeners);
    if (m->current == NULL)
        log_use(m->boot_log);
    generation_delete(m->next);
    m->next = NULL;
    m->failed = false;
}

// The pid file of the new configuration, when it is another one.
static int move_pid_file(struct master *m)
{
    const char *old = m->current != NULL ? m->current->pid_path : NULL;
    int rc;

    if (old != NULL && strcmp(old, m->next->pid_path) == 0)
        return 0;
    rc = pidfile_write(m->next->pid_path, getpid());
    if (rc != 0) {
        report(LOG_LEVEL_EMERG, -rc, "open() \"%s\" failed", m->next->pid_path);
        return rc;
    }
    if (old != NULL && unlink(old) != 0)
        log_alert(errno, "unlink() \"%s\" failed", old);
    return 0;
}

static void commit(struct master *m)
{
    struct generation *old = m->current;

    m->current = m->next;
    m->next = NULL;
    log_use(m->current->sinks);
    log_files_take_stderr(m->current->config);
    master_drain_silos(m, m->current);
    listeners_commit(&m->listeners);
    master_steer(m);
    generation_delete(old);
    report_started();
    m->started = true;
    master_tell_starter(m);
}

void master_settle(struct master *m)
{
    if (m->next == NULL)
        return;
    if (!m->failed && master_silos_serving(m, m->next)) {
        if (move_pid_file(m) == 0) {
            commit(m);
            return;
        }
        m->failed = true;
    }
    if (!m->failed)
        return;
    if (m->current != NULL)
        report(LOG_LEVEL_EMERG, 0, "the new configuration could not be started, "
                                   "the old one goes on serving");
    else
        report(LOG_LEVEL_EMERG, 0, "the silo processes could not be started");
    master_give_up_next(m);
    m->terminate = m->terminate || m->current == NULL;
}
