// SPDX-License-Identifier: Apache-2.0
//
// A worker's hand on one log file: lines gather in memory and go out with one append on the ring at
// the end of the loop's turn (or when `buffer`/`flush` say so). When the disk is full or slower
// than the lines, lines are dropped and counted, with one [alert] a minute; serving goes on.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "server/log/log_file.h"

struct worker;
struct log_writer;
struct log_path_policy;

#define LOG_PENDING_MAX (1u << 20)   // bytes a writer holds at most; further lines are dropped
#define LOG_DROP_ALERT_MS 60000      // at most one [alert] in this time

// A writer for each of the configuration's log files, and the sinks of the main error log. 0 or
// -errno.
must_check int log_writers_init(struct worker *w);
// Writes out what is left, waiting; the worker has no ring operation in flight any more.
void log_writers_finish(struct worker *w);
// Appends a line to the file's writer. With buffer == 0 it goes out at the end of this turn.
void log_writer_add(struct worker *w, const struct log_file *file, const char *line, size_t n,
                    int64_t buffer, int64_t flush_ms);
// The same for a file only known by path (access_log with variables): opened on the ring, and kept
// open as `policy` says, or for a short while when it is NULL.
void log_writer_add_path(struct worker *w, const struct log_path_policy *policy, const char *path,
                         const char *line, size_t n);
// Stands for all lines of error logs so far; and are those lines written (or dropped)? Lines that
// come later keep nobody waiting.
uint64_t log_writers_error_ticket(const struct worker *w);
bool log_writers_errors_written(const struct worker *w, uint64_t ticket);
// Submits what is due; called once each turn.
void log_writers_turn(struct worker *w);
// After the master reopened files (USR1), or when a worker must reopen by itself (paths with
// variables).
void log_writers_reopen(struct worker *w);
// Makes `chain` (an error_log of a location) the thread's sink while a request of it is logged;
// NULL: the main one.
void log_writers_use(struct worker *w, const struct log_use *chain);
