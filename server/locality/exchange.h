// SPDX-License-Identifier: Apache-2.0
//
// What the silos of one generation need to give each other connections: the board, and an inbox for
// each worker. Made by the master before the silos, which inherit it.
#pragma once

#include "lib/base/compiler.h"
#include "server/locality/board.h"

struct inbox {
    int receive, send; // -1: closed
};

struct exchange {
    struct board *board;   // NULL: connections stay where they are accepted
    struct inbox *inboxes; // one for each worker of all silos; NULL with a single silo
    unsigned workers;
};

// For `workers` of `silos` silos. 0 or -errno; nothing is left open then.
must_check int exchange_open(struct exchange *x, unsigned workers, unsigned silos);
void exchange_close(struct exchange *x); // zeroed is allowed

// In a silo that was just forked: closes the receiving ends that are not those of its own workers
// (`count` from `first`).
void exchange_keep(struct exchange *x, unsigned first, unsigned count);
// In the master: a silo has ended, and its workers take nothing on any more.
void exchange_silo_ended(struct exchange *x, unsigned first, unsigned count);
