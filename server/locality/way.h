// SPDX-License-Identifier: Apache-2.0
//
// Which interface a connection's bytes leave by.
#pragma once

#include <stdint.h>

struct way {
    int16_t node;   // -1: unknown
    int16_t member; // its number among the physical interfaces (stats.h); -1: unknown
};
#define WAY_UNKNOWN ((struct way){-1, -1})
