// SPDX-License-Identifier: Apache-2.0
//
// What a phase, a handler or a filter says when it returns.
#pragma once

struct request;

// Phase and handler results; a positive value is an HTTP status to be finished with (error_page
// applies).
enum {
    PHASE_NEXT = 0,       // go on with the next phase
    // something will call request_resume(); the same phase function or filter runs again.
    PHASE_WAIT = -1,
    PHASE_DONE = -2,      // the response is described (or already handed over)
    PHASE_RELOCATE = -3,  // path changed: find the location again
    PHASE_CLOSE = -4,     // close the connection without an answer (444)
    PHASE_TO_NAMED = -5,  // location was set (@name): go on with its rewrite phase
};

typedef int (*phase_fn)(struct request *r);
