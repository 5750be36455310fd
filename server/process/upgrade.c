// SPDX-License-Identifier: Apache-2.0
#include "server/process/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "server/process/environment.h"
#include "server/process/fd_list.h"
#include "server/process/listeners.h"
#include "server/process/pidfile.h"
#include "server/process/signals.h"

char *upgrade_old_path(const char *pid_path)
{
    char *out;

    return asprintf(&out, "%s" PIDFILE_OLD_SUFFIX, pid_path) < 0 ? NULL : out;
}

static int step_aside(const struct upgrade *u)
{
    char *old = upgrade_old_path(u->pid_path);
    int rc = 0;

    if (old == NULL)
        return -ENOMEM;
    if (rename(u->pid_path, old) != 0) {
        rc = -errno;
        log_alert(-rc, "rename() %s to %s failed before executing new binary process \"%s\"",
                  u->pid_path, old, u->argv[0]);
    }
    free(old);
    return rc;
}

void upgrade_failed(const char *pid_path, const char *binary)
{
    char *old = upgrade_old_path(pid_path);

    if (old != NULL && rename(old, pid_path) != 0)
        log_alert(errno, "rename() %s back to %s failed after the new binary process \"%s\" exited",
                  old, pid_path, binary);
    free(old);
}

static _Noreturn void child(const struct upgrade *u, const struct fd_list *fds, char **env)
{
    for (size_t i = 0; i < fds->n; i++)
        fcntl(fds->at[i], F_SETFD, 0);
    signals_restore();
    execve(u->argv[0], u->argv, env);
    log_alert(errno, "execve() failed while executing new binary process \"%s\"", u->argv[0]);
    _exit(1);
}

pid_t upgrade_start(const struct upgrade *u)
{
    struct fd_list fds = {.n = 0};
    char *list = NULL, **env = NULL;
    pid_t pid = -ENOMEM;

    if (listeners_list(u->listeners, &fds) == 0)
        list = fd_list_format(&fds);
    if (list != NULL)
        env = environment_make(u->env, u->environment, list);
    if (env != NULL)
        pid = step_aside(u);
    if (pid != 0)
        goto out;
    pid = fork();
    if (pid == 0)
        child(u, &fds, env);
    if (pid < 0) {
        pid = -errno;
        log_alert(-pid, "fork() failed while executing new binary process \"%s\"", u->argv[0]);
        upgrade_failed(u->pid_path, u->argv[0]);
    } else {
        log_notice(0, "start new binary process %d", pid);
    }
out:
    fd_list_free(&fds);
    free(list);
    free(env);
    return pid;
}
