// SPDX-License-Identifier: Apache-2.0
//
// Files that log lines go to. The master opens them (each path once, O_APPEND) and silos inherit
// the descriptors; a worker appends through its own writer, asynchronously on its ring, so that it
// never waits for the log's disk.
#pragma once

#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/base/sv.h"

struct log_file {
    struct list node;   // config.log_files
    const char *path;   // absolute; NULL for standard error
    int fd;             // -1 until opened
    unsigned index;     // dense, for the worker's table of writers
    int gzip;           // level that access_log asks for; 0: lines as they are
    size_t gzip_buffer; // then: bytes of lines in a gzip member
};

// One error_log directive: a file and its level. Chains by `next`.
struct log_use {
    struct log_file *file;
    enum log_level level;
    struct log_use *next;
};

struct config;

// Finds or makes the file of that path ("stderr" is standard error). NULL when memory is out.
struct log_file *log_file_get(struct config *c, struct sv path);
// Opens all that are not open; with `reopen` opens all anew and replaces the descriptors in place
// (dup2), as USR1 demands: one that fails keeps its old descriptor, and the others go on. Gives the
// files to `uid` when it is not (uid_t)-1, so that silos can open them too. 0, or the first -errno
// with *failed set.
must_check int log_files_open(struct config *c, bool reopen, unsigned uid, unsigned gid,
                              const struct log_file **failed);
// Closes what log_files_open() opened.
void log_files_close(struct config *c);

// The sinks of the main error_log lines, for a thread that may wait for a disk: the master's, and a
// silo's own. Configuration arena. NULL when memory is out.
struct log_sink *log_files_sinks(struct config *c);
// Standard error goes to the first error log from now on, unless one of them is standard error.
void log_files_take_stderr(const struct config *c);
