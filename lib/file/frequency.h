// SPDX-License-Identifier: Apache-2.0
//
// How often a key was seen lately, without remembering keys: the count-min sketch of TinyLFU
// (Einziger, Friedman, Manes, 2017). Counters of four bits, in four rows; all are halved each time
// a window of adds has gone by, so that what was popular once does not stay so.
//
// Any thread adds and asks; increments may be lost when two meet. One thread ages.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/compiler.h"

#define FREQUENCY_MAX 15

struct frequency;

// `window`: adds between two halvings, ten or more for each key that is worth remembering. The
// sketch takes 8 to 16 bytes for each. With two windows of adds in it (more are there never)
// fewer than one key in 500 is estimated higher than it was added. 0, -EINVAL (window 0 or beyond
// FREQUENCY_WINDOW_MAX) or -ENOMEM.
#define FREQUENCY_WINDOW_MAX (1u << 26)
must_check int frequency_make(struct frequency **out, uint32_t window);
void frequency_free(struct frequency *f); // NULL is harmless

// `hash`: 64 bits that are well mixed, such as hash_bytes() gives.
void frequency_add(struct frequency *f, uint64_t hash);
// 0 to FREQUENCY_MAX. Never too low but for lost increments.
unsigned frequency_estimate(const struct frequency *f, uint64_t hash);

// Halves all when a window has gone by since the last time: true. One thread.
bool frequency_age(struct frequency *f);
