// SPDX-License-Identifier: Apache-2.0
#include "server/report/status.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#include "lib/base/log.h"
#include "server/handlers/status.h"
#include "server/process/pidfile.h"
#include "server/process/stats_view.h"
#include "server/report/status_table.h"
#include "server/report/terminal.h"

// A new master needs a moment between taking the pid file over and writing its own.
enum { LOST_MS = 5000 };

struct watch {
    const char *pid_path;
    pid_t pid;
    const struct stats_area *area;
    struct stats_snapshot *before, *after;
    unsigned lost_ms; // for how long there has been no master
};

static void say_pid_error(const char *path, int rc, char *text)
{
    text[strcspn(text, "\r\n")] = '\0';
    if (rc == -EINVAL)
        log_stderr(LOG_LEVEL_ERROR, 0, "invalid PID number \"%s\" in \"%s\"", text, path);
    else
        log_stderr(LOG_LEVEL_ERROR, -rc, "open() \"%s\" failed", path);
}

static void say_attach_error(const char *path, pid_t pid, int rc)
{
    switch (rc) {
    case -ESRCH:
        log_stderr(LOG_LEVEL_ERROR, 0, "there is no process %d, which \"%s\" names", pid, path);
        break;
    case -EACCES:
    case -EPERM:
        log_stderr(LOG_LEVEL_ERROR, -rc,
                   "the counters of process %d are for its own user and root to see", pid);
        break;
    case -ENOENT:
        log_stderr(LOG_LEVEL_ERROR, 0,
                   "process %d, which \"%s\" names, has no counters: it is no master of this "
                   "version", pid, path);
        break;
    case -EPROTO:
        log_stderr(LOG_LEVEL_ERROR, 0,
                   "process %d is another version of millrace, whose counters are laid out "
                   "otherwise: ask with the binary that it was started from", pid);
        break;
    default:
        log_stderr(LOG_LEVEL_ERROR, -rc, "the counters of process %d cannot be read", pid);
    }
}

// Sees to it that the master which the pid file names is the one looked at. `quiet`: says nothing
// of what is wrong. 0 or -errno, and then the one before is still there.
static int attach(struct watch *w, bool quiet)
{
    const struct stats_area *area;
    char text[32];
    pid_t pid;
    int rc = pidfile_read(w->pid_path, &pid, text, sizeof(text));

    if (rc != 0) {
        if (!quiet)
            say_pid_error(w->pid_path, rc, text);
        return rc;
    }
    if (w->area != NULL && pid == w->pid && (kill(pid, 0) == 0 || errno == EPERM))
        return 0;
    rc = stats_attach(pid, &area);
    if (rc != 0) {
        if (!quiet)
            say_attach_error(w->pid_path, pid, rc);
        return rc;
    }
    stats_detach(w->area);
    w->area = area;
    w->pid = pid;
    stats_snapshot_take(area, w->before);
    return 0;
}

static int print_once(struct watch *w, unsigned interval_ms, FILE *out)
{
    struct timespec pause = {interval_ms / 1000, (long)(interval_ms % 1000) * 1000000};
    unsigned width = STATUS_WIDTH_ALL, rows;

    if (terminal_is(out))
        terminal_size(out, &width, &rows);
    nanosleep(&pause, NULL);
    stats_snapshot_take(w->area, w->after);
    status_table(out, w->before, w->after, width);
    return fflush(out) != 0;
}

static void draw(const struct watch *w, const struct terminal *t)
{
    unsigned columns, rows;
    char *text = NULL;
    size_t n;
    FILE *page = open_memstream(&text, &n);

    if (page == NULL)
        return;
    terminal_size(t->out, &columns, &rows);
    status_table(page, w->before, w->after, columns);
    if (w->lost_ms > 0)
        fputs("\nthe master has ended\n", page);
    if (fclose(page) == 0)
        terminal_draw(t, text);
    free(text);
}

// Between two draws: the newer counters are the older ones now, and the master may be another.
static int turn(struct watch *w, unsigned interval_ms)
{
    struct stats_snapshot *older = w->before;
    int rc;

    w->before = w->after;
    w->after = older;
    rc = attach(w, true);
    w->lost_ms = rc == 0 ? 0 : w->lost_ms + interval_ms;
    if (w->lost_ms > LOST_MS)
        return rc;
    stats_snapshot_take(w->area, w->after);
    return 0;
}

static int watch_live(struct watch *w, unsigned interval_ms, FILE *out)
{
    enum terminal_event event = TERMINAL_NOTHING;
    struct terminal t;
    int rc = terminal_open(&t, out);

    if (rc != 0) {
        log_stderr(LOG_LEVEL_ERROR, -rc, "the terminal cannot be used");
        return 1;
    }
    stats_snapshot_take(w->area, w->after);
    while (rc == 0 && event != TERMINAL_END) {
        draw(w, &t);
        event = terminal_wait(&t, interval_ms);
        if (event == TERMINAL_NOTHING)
            rc = turn(w, interval_ms);
    }
    terminal_close(&t);
    // Whatever it is, it is said best by asking once more.
    if (rc != 0)
        rc = attach(w, false);
    return rc != 0;
}

static int show(struct watch *w, unsigned interval_ms, bool once, bool json, FILE *out)
{
    if (json) {
        status_write_json(out, w->before);
        return fflush(out) != 0;
    }
    if (once || !terminal_is(out))
        return print_once(w, interval_ms, out);
    return watch_live(w, interval_ms, out);
}

int status_command(const char *pid_path, unsigned interval_ms, bool once, bool json, FILE *out)
{
    struct watch w = {
        .pid_path = pid_path, .before = stats_snapshot_new(), .after = stats_snapshot_new(),
    };
    int code = 1;

    if (w.before == NULL || w.after == NULL)
        log_stderr(LOG_LEVEL_ERROR, ENOMEM, "the status cannot be shown");
    else if (attach(&w, false) == 0)
        code = show(&w, interval_ms != 0 ? interval_ms : STATUS_INTERVAL_MS, once, json, out);
    stats_detach(w.area);
    stats_snapshot_free(w.before);
    stats_snapshot_free(w.after);
    return code;
}
