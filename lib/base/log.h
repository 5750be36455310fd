// SPDX-License-Identifier: Apache-2.0
//
// The error log: nginx's levels and line format. Where a line goes is the sink's business, so that
// the master may write at once while a worker hands lines to its ring and never waits for a disk.
//
// Line: "2026/11/20 09:07:04 [crit] 123#124: *5 open() "x" failed (2: No such file or directory)"
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/compiler.h"

// syslog's order, as nginx has it: a lower number is more severe.
enum log_level {
    LOG_LEVEL_STDERR,
    LOG_LEVEL_EMERG,
    LOG_LEVEL_ALERT,
    LOG_LEVEL_CRIT,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
};

#define LOG_LINE_MAX 2048 // bytes of one line, newline included; longer ones are cut

// One place lines go to. `emit` gets a whole line with its newline; it must not block in a worker.
struct log_sink {
    enum log_level level; // lines less severe than this are dropped
    void (*emit)(struct log_sink *sink, enum log_level level, const char *line, size_t n);
    struct log_sink *next; // a second error_log of the same context
    int fd;                // for the default emitter
};

// The sink chain of the current thread (thread-local), borrowed: it must stay until another is set.
// NULL: standard error.
void log_use(struct log_sink *sink);
struct log_sink *log_current(void);

// The default emitter: one write(2) to sink->fd.
void log_emit_fd(struct log_sink *sink, enum log_level level, const char *line, size_t n);

// True when a line of this level would go anywhere: asks before arguments are made.
bool log_wants(enum log_level level);

// Writes a line to the current thread's chain. `err` is an errno value or 0; when it is not 0,
// " (N: text)" is appended. `connection` is nginx's *N, 0 for none.
void log_write(enum log_level level, uint64_t connection, int err, const char *fmt, ...)
    printf_like(4, 5);

#define log_emerg(err, ...) log_write(LOG_LEVEL_EMERG, 0, (err), __VA_ARGS__)
#define log_alert(err, ...) log_write(LOG_LEVEL_ALERT, 0, (err), __VA_ARGS__)
#define log_crit(err, ...) log_write(LOG_LEVEL_CRIT, 0, (err), __VA_ARGS__)
#define log_error(err, ...) log_write(LOG_LEVEL_ERROR, 0, (err), __VA_ARGS__)
#define log_warn(err, ...) log_write(LOG_LEVEL_WARN, 0, (err), __VA_ARGS__)
#define log_notice(err, ...) log_write(LOG_LEVEL_NOTICE, 0, (err), __VA_ARGS__)
#define log_info(err, ...) log_write(LOG_LEVEL_INFO, 0, (err), __VA_ARGS__)

// "error" -> LOG_LEVEL_ERROR, and back. -EINVAL for a word that is no level.
must_check int log_level_parse(const char *word, enum log_level *level);
const char *log_level_name(enum log_level level);

// A line without level and time on standard error, as command-line messages have it:
// "millrace: [emerg] ..." . Also sent to the current chain when it is not standard error.
void log_stderr(enum log_level level, int err, const char *fmt, ...) printf_like(3, 4);
