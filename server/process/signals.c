// SPDX-License-Identifier: Apache-2.0
#include "server/process/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include "lib/base/log.h"

struct row {
    int signo;
    const char *name, *word;
    enum signal_action action;
};

static const struct row rows[] = {
    {SIGQUIT, "SIGQUIT", "quit", SIGNAL_QUIT},
    {SIGTERM, "SIGTERM", "stop", SIGNAL_TERMINATE},
    {SIGINT, "SIGINT", "", SIGNAL_TERMINATE},
    {SIGHUP, "SIGHUP", "reload", SIGNAL_RELOAD},
    {SIGUSR1, "SIGUSR1", "reopen", SIGNAL_REOPEN},
    {SIGWINCH, "SIGWINCH", "", SIGNAL_NO_ACCEPT},
    {SIGUSR2, "SIGUSR2", "", SIGNAL_CHANGE_BINARY},
    {SIGCHLD, "SIGCHLD", "", SIGNAL_CHILD},
};

static const struct row *find(int signo)
{
    for (size_t i = 0; i < array_len(rows); i++) {
        if (rows[i].signo == signo)
            return &rows[i];
    }
    return NULL;
}

enum signal_action signal_action(int signo)
{
    const struct row *r = find(signo);

    return r != NULL ? r->action : SIGNAL_NONE;
}

int signal_by_name(const char *word)
{
    for (size_t i = 0; i < array_len(rows); i++) {
        if (rows[i].word[0] != '\0' && strcmp(rows[i].word, word) == 0)
            return rows[i].signo;
    }
    return 0;
}

const char *signal_silo_text(enum signal_action action)
{
    switch (action) {
    case SIGNAL_QUIT:
        return ", shutting down";
    case SIGNAL_TERMINATE:
        return ", exiting";
    case SIGNAL_REOPEN:
        return ", reopening logs";
    default:
        return ", ignoring";
    }
}

static void fill(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < array_len(rows); i++)
        sigaddset(set, rows[i].signo);
}

void signals_block(void)
{
    sigset_t set;

    fill(&set);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        log_alert(errno, "sigprocmask() failed");
    signal(SIGPIPE, SIG_IGN);
}

void signals_restore(void)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
}

int signals_open(void)
{
    sigset_t set;
    int fd;

    fill(&set);
    fd = signalfd(-1, &set, SFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

void signal_log(int signo, int from, const char *action)
{
    const struct row *r = find(signo);
    const char *name = r != NULL ? r->name : "?";

    if (from != 0)
        log_notice(0, "signal %d (%s) received from %d%s", signo, name, from, action);
    else
        log_notice(0, "signal %d (%s) received%s", signo, name, action);
}
