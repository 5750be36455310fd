// SPDX-License-Identifier: Apache-2.0
//
// limit_req: requests of one key at a rate. A leaky bucket: each request adds one, the rate drains,
// and what is in it beyond `delay` waits, beyond `burst` is refused.
#pragma once

#include "server/limits/limit_conf.h"
#include "server/limits/table.h"

struct request;

#define LIMIT_REQ_KEY_MAX 65535 // bytes

enum limit_verdict {
    LIMIT_PASS,
    LIMIT_BUSY, // over the limit
    LIMIT_FULL, // no room for another key
};

// How one request of `key` stands: *excess is what the bucket holds with it, in thousandths. With
// `account` the request is counted if it passes. A key that is not known yet is remembered; the
// oldest one goes when there is no room.
enum limit_verdict limit_req_check(struct limit_table *t, int64_t rate, int64_t burst,
                                   struct sv key, uint64_t now_ms, bool account, int64_t *excess);
// Counts a request that has been checked, and gives the excess.
int64_t limit_req_account(struct limit_table *t, int64_t rate, struct sv key, uint64_t now_ms);
// Milliseconds to wait.
uint64_t limit_req_delay(int64_t excess, int64_t delay, int64_t rate);

// A phase: PHASE_NEXT, PHASE_WAIT, or a status.
int limit_req(struct request *r);
