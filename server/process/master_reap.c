// SPDX-License-Identifier: Apache-2.0
//
// What the end of a child means: a silo is replaced, forgotten or was the reason to give up a
// reload; a new binary that ended gives us our pid file back.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "server/process/master_priv.h"
#include "server/process/report.h"
#include "server/process/silo.h"
#include "server/process/upgrade.h"

static struct silo_process *find(const struct master *m, pid_t pid)
{
    list_each(it, &m->silos) {
        struct silo_process *s = container_of(it, struct silo_process, node);

        if (s->pid == pid)
            return s;
    }
    return NULL;
}

static void log_end(const char *what, pid_t pid, int status)
{
    if (WIFSIGNALED(status))
        log_alert(0, "%s %d exited on signal %d%s", what, pid, WTERMSIG(status),
                  WCOREDUMP(status) ? " (core dumped)" : "");
    else
        log_notice(0, "%s %d exited with code %d", what, pid, WEXITSTATUS(status));
}

// One that could not begin where it could before (memory, descriptors) is given the longest pause:
// connections wait at its sockets, and nobody else accepts there.
static void replace(struct silo_process *s, bool fatal)
{
    uint64_t now = master_now();
    uint64_t delay = respawn_delay(&s->respawn, now - s->started_ms);

    if (fatal)
        delay = RESPAWN_MAX_MS;
    master_silo_state(s, SILO_PAUSING);
    s->respawn_at = now + delay;
    if (delay > 0)
        log_notice(0, "the silo process is started again in %u ms", (unsigned)delay);
}

static void silo_ended(struct master *m, struct silo_process *s, int status)
{
    bool fatal = WIFEXITED(status) && WEXITSTATUS(status) == SILO_FATAL;
    bool was_starting = s->state == SILO_STARTING;
    struct generation *g = s->generation;
    pid_t pid = s->pid;

    master_silo_ended(m, s);
    if (g == NULL || m->terminate || m->quit) {
        master_silo_free(s);
        return;
    }
    // The first start either succeeds as a whole or is none.
    if (g == m->next && (fatal || (m->current == NULL && was_starting)))
        m->failed = true;
    if (fatal && g != m->current) {
        log_alert(0, "silo process %d exited with fatal code %d and cannot be respawned", pid,
                  SILO_FATAL);
        master_silo_free(s);
        return;
    }
    replace(s, fatal);
}

static void binary_ended(struct master *m)
{
    upgrade_failed(m->current->pid_path, m->setup->argv[0]);
    m->new_binary = 0;
    if (m->not_accepting) {
        m->not_accepting = false;
        m->restart = true;
    }
}

void master_reap(struct master *m)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct silo_process *s = find(m, pid);

        if (s != NULL)
            log_end("silo process", pid, status);
        else
            log_end(pid == m->new_binary ? "new binary process" : "unknown process", pid, status);
        if (s != NULL)
            silo_ended(m, s, status);
        else if (pid == m->new_binary)
            binary_ended(m);
    }
}
