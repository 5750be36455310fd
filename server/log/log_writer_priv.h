// SPDX-License-Identifier: Apache-2.0
//
// What the writer of one file (log_writer.c), the set of a worker's writers (log_writer_set.c) and
// the error log's sinks (log_writer_sinks.c) share.
#pragma once

#include <linux/openat2.h>

#include "lib/ring/op.h"
#include "lib/ring/timer.h"
#include "server/log/log_gzip.h"
#include "server/log/log_paths.h"
#include "server/log/log_writer.h"

#define LOG_BUFFER_KEEP (64u << 10) // bytes of a buffer that is kept when it is empty

struct log_buffer {
    char *p;
    size_t n, cap;
    size_t raw;     // bytes of lines that came in; more than `n` when they are compressed
    uint64_t lines; // the same in lines; counted only when they are compressed
};

// Files open by path under one open_log_file_cache.
struct log_path_cache {
    struct list paths; // the one used last first
    unsigned n;
};

// Lines gather in `filling` while `flight` is on the ring: one operation at a time keeps their
// order.
struct log_writer {
    struct worker *worker;
    const struct log_file *file; // NULL: known by path
    struct list node;            // of log_path_cache.paths or log_writers.retired
    struct list due_node;        // log_writers.due
    struct op op;                // opening or writing
    struct timer flush;
    struct log_buffer filling, flight;
    size_t written;              // of flight
    size_t buffer;               // the largest `buffer` asked for
    struct log_gzip *gzip;       // of the file's level; made with the first line
    // error_tickets given out when `flight` was taken, and when the last flight arrived.
    uint64_t flight_ticket, done_ticket;
    bool again;                  // what gathered behind the operation in flight is due as well
    bool error_log;              // of the main error log: its own trouble cannot be written to it
    bool alerted;
    uint64_t alert_ms;

    // Known by path.
    char *path;
    const struct log_path_policy *policy;
    struct log_path_cache *cache;
    unsigned uses;               // lines, as long as they came within policy->inactive_ms
    uint64_t used_ms;            // the last of them
    int fd;                      // -1 until opened, and between lines that are too few
    bool retired;                // goes once all is written
    uint64_t opened_ms;
    struct open_how how;
};

struct log_chain; // one error_log chain as sinks

struct log_writers {
    struct log_writer *files; // by log_file.index
    unsigned nfiles;
    struct list due;          // to be submitted at the end of this turn
    struct log_path_cache *caches; // by log_path_policy.index
    unsigned ncaches;
    struct list retired;
    struct log_chain *chains; // the main one first
    uint64_t error_tickets;   // one for each line of an error log
};

void log_writer_init(struct log_writer *lw, struct worker *w, const struct log_file *file);
// Gives the buffers back. Nothing may be in flight.
void log_writer_release(struct log_writer *lw);
// Takes a whole line, or drops and counts it.
void log_writer_append(struct log_writer *lw, const char *line, size_t n);
// Everything it holds goes out at the end of this turn.
void log_writer_due(struct log_writer *lw);
void log_writer_submit(struct log_writer *lw);
// Writes what is left, waiting for the disk.
void log_writer_drain(struct log_writer *lw);
bool log_writer_holds(const struct log_writer *lw);
// Frees one known by path once it is retired, written and quiet.
void log_writer_maybe_free(struct log_writer *lw);
// Throws away what it holds: `err` is why, 0 that the disk is too slow.
void log_writer_drop_all(struct log_writer *lw, int err);
void log_writer_retire(struct log_writer *lw);
// Writers of files only known by path: 0 or -ENOMEM; all of them are to be opened anew.
must_check int log_paths_init(struct worker *w, struct log_writers *logs);
void log_paths_retire_all(struct log_writers *logs);

// Sinks of the main error log become the thread's. 0 or -ENOMEM.
must_check int log_sinks_init(struct worker *w);
void log_sinks_finish(struct worker *w);
