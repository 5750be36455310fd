// SPDX-License-Identifier: Apache-2.0
//
// The board: a row for each worker of a generation, in memory that its silos share. It says who
// takes connections on and how many each one has, and it lets a worker leave without losing a
// connection that is on its way to it.
//
// The protocol of leaving: whoever hands over says so (board_begin), looks whether the row is open,
// hands over, and says that it is done (board_done). Whoever leaves closes its row, waits until
// nobody is handing over any more, and then empties its inbox for the last time.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/compiler.h"

struct board_row {
    _Atomic uint32_t open;    // takes connections on
    _Atomic uint32_t sending; // workers that are handing over at this moment
    _Atomic uint32_t load;    // connections
} __attribute__((aligned(64)));

struct board {
    unsigned count;
    struct board_row rows[];
};

// All rows closed. NULL when memory is out.
struct board *board_make(unsigned workers);
void board_free(struct board *b); // NULL is harmless

// A worker's own row. `alone`: only workers of its own silo hand over to it, so whoever is counted
// died with the silo before.
void board_open(struct board_row *row, bool alone);
void board_close(struct board_row *row);
// After board_close(): does nobody hand over any more? A silo that was killed in the midst of it is
// counted for ever, so waiting for this has to end.
bool board_quiet(const struct board_row *row);
static inline void board_set_load(struct board_row *row, uint32_t load)
{
    atomic_store_explicit(&row->load, load, memory_order_relaxed);
}
// Another's: a connection is on its way there. Its owner's next word corrects that.
static inline void board_expect(struct board_row *row)
{
    atomic_fetch_add_explicit(&row->load, 1, memory_order_relaxed);
}

// Before a hand-over to another's row: true when it is open; then board_done() follows.
bool board_begin(struct board_row *row);
void board_done(struct board_row *row);

// Among whom to choose: rows `first` to first + count - 1, with `groups` only those of `group`.
struct board_choice {
    unsigned first, count;
    const int16_t *groups; // of all rows; NULL: all are alike
    int group;
    int self;              // a row that is preferred; -1: none
};

// The open row with the fewest connections; -1: none is open. `self` wins when it is one of them
// and has no more than BOARD_SLACK more than the fewest and a quarter: moving costs more than a
// small difference does.
#define BOARD_SLACK 2
int board_least(const struct board *b, const struct board_choice *among);
