// SPDX-License-Identifier: Apache-2.0
//
// The counters as readers want them: a copy taken at one moment, from this process's area or from
// that of a running master, and the rows by which to list it.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "server/process/stats.h"

#define STATS_TEXT 64 // bytes of a name or a list of CPUs, terminator included

struct stats_area;

struct stats_silo_info {
    char cpus[STATS_TEXT]; // "0-7,16"; ends in "..." when it was too long
    int node;              // -1: not bound to one
    enum stats_silo_state state;
    pid_t pid; // 0: none
    unsigned restarts;
    unsigned workers; // that have a slot, those of draining processes included
};

struct stats_member_info {
    char name[STATS_TEXT]; // never empty, and no two are the same
    int node;              // -1: unknown
};

struct stats_snapshot {
    uint64_t taken_ns; // CLOCK_MONOTONIC
    int64_t taken;     // seconds since the epoch
    int64_t started;   // the same; of the master
    pid_t master;      // 0 when it said nothing of itself
    unsigned nsilos, nmembers;
    unsigned nnodes; // nodes from here on occur nowhere
    struct stats_silo_info silo[STATS_SILOS];
    struct stats_member_info member[STATS_MEMBERS];
    struct stats total;
    struct stats unplaced; // the part of the total that is of no silo
    struct stats silos[STATS_SILOS];
};

// 100 KiB, of which stats_snapshot_take() touches what is used. NULL when memory is out.
struct stats_snapshot *stats_snapshot_new(void);
void stats_snapshot_free(struct stats_snapshot *s); // NULL is allowed
// `area` NULL: this process's own.
void stats_snapshot_take(const struct stats_area *area, struct stats_snapshot *out);

// Maps the area of another process, read only. 0; -ESRCH: no such process; -EACCES: not allowed to
// look; -ENOENT: it has none (it is no master of ours); -EPROTO: it has one that is laid out
// otherwise, of another version of the program; another -errno.
must_check int stats_attach(pid_t pid, const struct stats_area **area);
void stats_detach(const struct stats_area *area); // NULL is allowed

struct stats_row {
    const char *name, *help;
    bool gauge;
    size_t offset; // in struct stats
};

enum stats_by { STATS_BY_NODE, STATS_BY_MEMBER };

struct stats_array {
    const char *name, *help;
    enum stats_by by;
    size_t offset;
};

extern const struct stats_row stats_rows[];
extern const size_t stats_nrows;
extern const struct stats_array stats_arrays[];
extern const size_t stats_narrays;

int64_t stats_value(const struct stats *s, const struct stats_row *row);
int64_t stats_value_at(const struct stats *s, const struct stats_array *array, unsigned i);
