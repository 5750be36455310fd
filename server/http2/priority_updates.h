// SPDX-License-Identifier: Apache-2.0
//
// PRIORITY_UPDATE frames (RFC 9218, 7.1): a payload that comes in parts, and what was said of
// streams that are still to come. Of these the last UPDATES_EARLY are remembered. A connection has
// this only once such a frame has come. Pure: no session.
#pragma once

#include <stddef.h>

#include "lib/base/compiler.h"
#include "lib/http/priority.h"

#define UPDATES_EARLY 8
#define UPDATE_VALUE_MAX 64 // bytes; a longer value is passed over

// All zero at first.
struct priority_updates {
    struct {
        int32_t id;             // 0: free
        struct http_priority p;
    } early[UPDATES_EARLY];     // the newest first
    uint8_t got;                // bytes of the payload
    bool too_long;
    char bytes[4 + UPDATE_VALUE_MAX];
};

enum priority_update_kind {
    UPDATE_GOOD,
    UPDATE_PASSED_OVER, // its value cannot be read, which is no fault (RFC 9218, 7)
    UPDATE_SHORT,       // FRAME_SIZE_ERROR
    UPDATE_MISPLACED,   // of no stream that a client can open: PROTOCOL_ERROR
};

struct priority_update {
    enum priority_update_kind kind;
    int32_t id;
    struct http_priority p;
};

// A frame begins; a part of its payload; all has come.
void priority_updates_begin(struct priority_updates *u);
void priority_updates_part(struct priority_updates *u, const void *data, size_t n);
must_check struct priority_update priority_updates_end(const struct priority_updates *u);

// For a stream that is still to come; replaces what was said of it before.
void priority_updates_keep(struct priority_updates *u, int32_t id, struct http_priority p);

// The stream is opened, and none below it will be. True when it was spoken of.
must_check bool priority_updates_take(struct priority_updates *u, int32_t id,
                                      struct http_priority *p);
