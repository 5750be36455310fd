// SPDX-License-Identifier: Apache-2.0
#include "server/process/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool started;
static struct log_sink first_log = {.level = LOG_LEVEL_NOTICE, .emit = log_emit_fd, .fd = -1};

void report_open_first_log(const char *path)
{
    if (strcmp(path, "stderr") == 0)
        return;
    first_log.fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (first_log.fd >= 0)
        log_use(&first_log);
    else
        log_stderr(LOG_LEVEL_ALERT, errno, "could not open error log file: open() \"%s\" failed",
                   path);
}

// Held on to, it would keep the space of a log that has long been rotated away.
void report_started(void)
{
    started = true;
    if (first_log.fd >= 0)
        close(first_log.fd);
    first_log.fd = -1;
}

// Then log_stderr() would say everything twice.
static bool log_is_stderr(void)
{
    for (const struct log_sink *s = log_current(); s != NULL; s = s->next) {
        if (s->fd == STDERR_FILENO)
            return true;
    }
    return false;
}

void report(enum log_level level, int err, const char *fmt, ...)
{
    char text[LOG_LINE_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (started || (log_current() != NULL && log_is_stderr()))
        log_write(level, 0, err, "%s", text);
    else
        log_stderr(level, err, "%s", text);
}
