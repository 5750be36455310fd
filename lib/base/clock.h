// SPDX-License-Identifier: Apache-2.0
//
// Cached time, one copy for each thread: read from the kernel once for each turn of the loop, and
// the text forms are made again only when the second changes.
#pragma once

#include <stdint.h>
#include <time.h>

#include "lib/base/sv.h"

struct clock_now {
    uint64_t mono_ms; // CLOCK_MONOTONIC
    uint64_t mono_ns; // the same
    int64_t real_s;   // seconds since the epoch, CLOCK_REALTIME
    uint32_t real_ms; // 0-999 within the second
    char http_date[30];  // "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7), terminated
    char log_local[27];  // "28/Sep/1970:12:00:00 +0600", terminated
    char log_iso8601[26]; // "1970-09-28T12:00:00+06:00", terminated
};

// Reads the clocks (clock_gettime(2)) into the thread's copy. Call once for each turn of a loop.
void clock_update(void);

// The thread's copy. Updates it first when that has never been done. Valid for the thread's life.
const struct clock_now *clock_now(void);

// Milliseconds of CLOCK_MONOTONIC as of the last clock_update().
static inline uint64_t clock_mono_ms(void)
{
    return clock_now()->mono_ms;
}

// Nanoseconds of CLOCK_MONOTONIC right now.
uint64_t clock_read_ns(void);

#define HTTP_DATE_LEN 29

// IMF-fixdate (RFC 9110, 5.6.7): writes 29 bytes and no terminator. Thread-safe. Years 0 to 9999;
// any other time is written as the epoch.
void http_date_format(int64_t unix_s, char out[HTTP_DATE_LEN]);
