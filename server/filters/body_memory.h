// SPDX-License-Identifier: Apache-2.0
//
// A response's body in memory, for filters that change its bytes. What of a file is not in the page
// cache is read on the ring meanwhile, and the request waits.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/ring/op.h"

struct request;

struct body_read {  // of a request; zeroed at first
    struct op op;   // while it is in flight the request may not end
    char *p;        // request arena; NULL: no body is being read
    uint64_t n;     // bytes that are there
    int err;        // positive errno of a read that failed
    bool truncated; // the file has become shorter than its response
};

// Makes one memory slice of a body of one slice that has at most BODY_MEMORY_MAX bytes. The bytes
// are the caller's to read, not to change. 0, PHASE_WAIT (return it from the filter, which then is
// called again), or a status.
int body_memory(struct request *r);
