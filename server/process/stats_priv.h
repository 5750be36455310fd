// SPDX-License-Identifier: Apache-2.0
//
// How the shared area is laid out. The master writes all of it but the slots; the sequence number
// lets readers, in silos and in other programs, notice that it did so meanwhile.
#pragma once

#include "server/process/stats.h"
#include "server/process/stats_view.h"

#define STATS_MAGIC "millrace-stats"
#define STATS_VERSION 1u // of the header and the tables; rows are compared by their names
#define STATS_LINE 128 // bytes; two lines, because processors fetch the neighbour, too

struct stats_text {
    _Atomic uint64_t words[STATS_TEXT / 8];
};

// Each line of its own, so that no two workers write to one.
struct stats_slot {
    struct stats stats __attribute__((aligned(STATS_LINE)));
};

struct stats_silo_entry {
    struct stats_text cpus;
    _Atomic int node;
    _Atomic int state; // enum stats_silo_state
    _Atomic int pid;
    _Atomic unsigned restarts;
};

struct stats_member_entry {
    struct stats_text name;
    _Atomic int node;
};

struct stats_area {
    // Never changes once others can see it.
    char magic[16];
    uint32_t version;
    uint32_t rows;  // a hash of the names and sizes of all rows
    uint64_t size;  // of the area
    int64_t started; // seconds since the epoch

    _Atomic unsigned sequence; // odd while the master changes something
    _Atomic unsigned high;     // slots from here on were never used
    _Atomic unsigned nsilos, nmembers;
    _Atomic int master; // its pid
    struct stats_silo_entry silo[STATS_SILOS];
    struct stats_member_entry member[STATS_MEMBERS];
    _Atomic unsigned place[STATS_WORKERS]; // 1 + the silo of a claimed slot; 0: none
    struct stats_slot ended[STATS_SILOS + 1]; // workers that are gone, by silo; the last: unplaced
    struct stats_slot shared; // for workers beyond STATS_WORKERS; inexact
    struct stats_slot slot[STATS_WORKERS];
};

// This process's own; NULL before stats_init().
struct stats_area *stats_area(void);
// What `rows` must be.
uint32_t stats_rows_hash(void);

// Around every change that the master makes.
void stats_change_begin(struct stats_area *a);
void stats_change_end(struct stats_area *a);

// A reader: begin, read, and again as long as retry says so. It gives up after a while, because a
// master that was killed in the middle of a change never ends it.
struct stats_reading {
    unsigned before, tries;
};

void stats_read_begin(const struct stats_area *a, struct stats_reading *r);
bool stats_read_again(const struct stats_area *a, struct stats_reading *r);

void stats_clear(struct stats *s);
// Adds all of one that others may be writing to one's own.
void stats_add_all(struct stats *to, const struct stats *from);
