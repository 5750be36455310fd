// SPDX-License-Identifier: Apache-2.0
//
// Buckets that fill with what a client does and drain with time, in whole numbers: an event is
// `interval` units high, a bucket `limit` times as much, and each millisecond drains `limit` units.
// So nothing is divided and nothing is lost by rounding.
#include "server/http2/floods.h"

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/check.h"
#include "lib/base/compiler.h"

enum bucket {
    BUCKET_RESET,
    BUCKET_CONTROL,
    BUCKET_EMPTY,
    BUCKETS,
};

_Static_assert(BUCKETS == array_len(((struct http2_floods *)NULL)->level),
               "a level for each bucket");
_Static_assert(sizeof(struct http2_floods) <= 48, "every connection has one");

static const struct {
    enum bucket bucket;
    bool paid; // DATA that was sent pays for it
    const char *words;
} kinds[] = {
    [HTTP2_FLOOD_RESET] = {BUCKET_RESET, false, "too many RST_STREAM frames"},
    [HTTP2_FLOOD_PROVOKED] = {BUCKET_RESET, false, "too many streams had to be reset"},
    [HTTP2_FLOOD_SETTINGS] = {BUCKET_CONTROL, false, "too many SETTINGS frames"},
    [HTTP2_FLOOD_PING] = {BUCKET_CONTROL, true, "too many PING frames"},
    [HTTP2_FLOOD_PRIORITY] = {BUCKET_CONTROL, false, "too many PRIORITY frames"},
    [HTTP2_FLOOD_WINDOW] = {BUCKET_CONTROL, true, "too many small WINDOW_UPDATE frames"},
    [HTTP2_FLOOD_UNKNOWN] = {BUCKET_CONTROL, true, "too many frames of unknown types"},
    [HTTP2_FLOOD_EMPTY] = {BUCKET_EMPTY, false, "too many empty frames"},
};

static uint64_t bounded(int64_t value, int64_t most)
{
    return (uint64_t)(value < 1 ? 1 : value > most ? most : value);
}

static uint64_t interval_of(const struct http2_flood_limits *l)
{
    return bounded(l->interval_ms, INT32_MAX);
}

static uint64_t limit_of(const struct http2_flood_limits *l, enum bucket bucket)
{
    const int64_t limits[BUCKETS] = {
        [BUCKET_RESET] = l->resets,
        [BUCKET_CONTROL] = l->control,
        [BUCKET_EMPTY] = l->empty,
    };
    return bounded(limits[bucket], UINT32_MAX);
}

// After an interval every bucket is empty, so a longer pause is no more than that, and the product
// stays below 2^63.
static void drain(struct http2_floods *f, const struct http2_flood_limits *l, uint64_t now_ms)
{
    uint64_t passed = now_ms > f->last_ms ? now_ms - f->last_ms : 0;
    uint64_t interval = interval_of(l);
    f->last_ms = now_ms;
    if (passed > interval)
        passed = interval;
    for (enum bucket b = 0; passed > 0 && b < BUCKETS; b++) {
        uint64_t drained = passed * limit_of(l, b);
        f->level[b] -= drained < f->level[b] ? drained : f->level[b];
    }
}

const char *http2_floods_count(struct http2_floods *f, const struct http2_flood_limits *l,
                               enum http2_flood kind, uint64_t now_ms)
{
    check(kind < array_len(kinds));
    if (kinds[kind].paid && f->credit > 0) {
        f->credit--;
        return NULL;
    }
    drain(f, l, now_ms);
    enum bucket b = kinds[kind].bucket;
    uint64_t interval = interval_of(l), room = limit_of(l, b) * interval;
    // Limits may differ from those of the last call: the server is chosen by name in between.
    if (f->level[b] > room - interval)
        return kinds[kind].words;
    f->level[b] += interval;
    return NULL;
}

void http2_floods_sent(struct http2_floods *f, const struct http2_flood_limits *l, uint64_t bytes)
{
    uint64_t most = limit_of(l, BUCKET_CONTROL);
    uint64_t earned = bytes / FLOOD_PAYS;
    f->sent += (uint32_t)(bytes % FLOOD_PAYS);
    earned += f->sent / FLOOD_PAYS;
    f->sent %= FLOOD_PAYS;
    f->credit = (uint32_t)(f->credit + earned > most ? most : f->credit + earned);
}

const char *http2_floods_continuation(struct http2_floods *f, const struct http2_flood_limits *l)
{
    if (f->continuations >= bounded(l->continuations, UINT32_MAX))
        return "too many CONTINUATION frames";
    f->continuations++;
    return NULL;
}
