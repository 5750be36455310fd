// SPDX-License-Identifier: Apache-2.0
//
// When a silo that died is started again: at once the first time, then after growing pauses while
// it keeps dying young, so that a crash at start does not become a loop that eats the machine.
// Pure: the caller knows the time.
#pragma once

#include <stdint.h>

#define RESPAWN_YOUNG_MS 10000 // one that lived longer starts with a clean record
#define RESPAWN_FIRST_MS 100
#define RESPAWN_MAX_MS 5000

struct respawn {
    unsigned young_deaths; // in a row
};

// The pause in milliseconds before the next start, after a silo that lived `lived_ms` died.
uint64_t respawn_delay(struct respawn *r, uint64_t lived_ms);
