// SPDX-License-Identifier: Apache-2.0
#include "lib/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {
    "stderr", "emerg", "alert", "crit", "error", "warn", "notice", "info", "debug",
};

static _Thread_local struct log_sink *current;

static struct log_sink standard_error = {
    .level = LOG_LEVEL_NOTICE, .emit = log_emit_fd, .fd = STDERR_FILENO};

void log_use(struct log_sink *sink)
{
    current = sink;
}

struct log_sink *log_current(void)
{
    return current;
}

static struct log_sink *chain(void)
{
    return current != NULL ? current : &standard_error;
}

void log_emit_fd(struct log_sink *sink, enum log_level level, const char *line, size_t n)
{
    (void)level;
    // There is nowhere left to say that the log itself failed.
    if (write(sink->fd, line, n) < 0)
        return;
}

bool log_wants(enum log_level level)
{
    for (struct log_sink *s = chain(); s != NULL; s = s->next) {
        if (level <= s->level)
            return true;
    }
    return false;
}

struct line {
    char text[LOG_LINE_MAX];
    size_t n;
};

printf_like(2, 0) static void line_add_v(struct line *l, const char *fmt, va_list args)
{
    size_t room = sizeof(l->text) - 1 - l->n; // the newline keeps its place
    int n = vsnprintf(l->text + l->n, room, fmt, args);

    if (n > 0)
        l->n += (size_t)n < room ? (size_t)n : room - 1;
}

printf_like(2, 3) static void line_add(struct line *l, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    line_add_v(l, fmt, args);
    va_end(args);
}

static void line_finish(struct line *l, int err)
{
    char text[128];

    if (err != 0)
        line_add(l, " (%d: %s)", err, strerror_r(err, text, sizeof(text)));
    l->text[l->n++] = '\n';
}

static void send_line(enum log_level level, struct line *l)
{
    for (struct log_sink *s = chain(); s != NULL; s = s->next) {
        if (level <= s->level)
            s->emit(s, level, l->text, l->n);
    }
}

static void line_head(struct line *l, enum log_level level, uint64_t connection)
{
    time_t now = time(NULL);
    struct tm tm;
    char stamp[32];

    localtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y/%m/%d %H:%M:%S", &tm);
    line_add(l, "%s [%s] %d#%d: ", stamp, log_level_name(level), getpid(), gettid());
    if (connection != 0)
        line_add(l, "*%llu ", (unsigned long long)connection);
}

void log_write(enum log_level level, uint64_t connection, int err, const char *fmt, ...)
{
    struct line l = {.n = 0};
    va_list args;

    if (!log_wants(level))
        return;
    line_head(&l, level, connection);
    va_start(args, fmt);
    line_add_v(&l, fmt, args);
    va_end(args);
    line_finish(&l, err);
    send_line(level, &l);
}

void log_stderr(enum log_level level, int err, const char *fmt, ...)
{
    struct line plain = {.n = 0}, full = {.n = 0};
    va_list args, again;

    va_start(args, fmt);
    va_copy(again, args);
    line_add(&plain, "millrace: [%s] ", log_level_name(level));
    line_add_v(&plain, fmt, args);
    line_finish(&plain, err);
    log_emit_fd(&standard_error, level, plain.text, plain.n);
    if (current != NULL) {
        line_head(&full, level, 0);
        line_add_v(&full, fmt, again);
        line_finish(&full, err);
        send_line(level, &full);
    }
    va_end(again);
    va_end(args);
}

int log_level_parse(const char *word, enum log_level *level)
{
    for (size_t i = LOG_LEVEL_EMERG; i < array_len(level_names); i++) {
        if (strcmp(word, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

const char *log_level_name(enum log_level level)
{
    return (size_t)level < array_len(level_names) ? level_names[level] : "unknown";
}
