// SPDX-License-Identifier: Apache-2.0
//
// Whom a request belongs to: a connection that speaks HTTP/1, or a stream of HTTP/2. This is all
// that the request core knows of the protocol.
#pragma once

#include <stdint.h>

#include "lib/base/sv.h"

struct request;

struct request_owner {
    // The response is described: it is to be sent. The request may be gone afterwards.
    void (*respond)(struct request *r);
    // There will be no answer (444). The request may be gone afterwards.
    void (*abandon)(struct request *r);
    // The request waits for its turn; request_resume() when the time is over, unless the client
    // goes away.
    void (*delay)(struct request *r, uint64_t delay_ms);
    // What the request waited for is there: request_resume(), unless it was given up meanwhile;
    // then it may be gone afterwards.
    void (*ready)(struct request *r);
    // r->fetch has completed: the part of the file that is sent next. `res` as of a read.
    void (*fetched)(struct request *r, int32_t res);
    // " while ...", for the log; empty: nothing in particular.
    struct sv (*doing)(const struct request *r);
};
