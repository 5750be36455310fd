// SPDX-License-Identifier: Apache-2.0
//
// The phases of a request in their order: one table that can be seen. Each is a small function that
// returns a phase result (request.h).
#pragma once

#include "server/request/request.h"

enum phase {
    PHASE_REJECT,         // only for heads that cannot be read: answers request.rejected
    PHASE_SERVER_REWRITE, // server-level if, set, return, rewrite
    PHASE_FIND_LOCATION,  // and what depends on it alone: internal, client_max_body_size
    PHASE_REWRITE,        // the location's own
    PHASE_POST_REWRITE,   // back to find a location when the path changed
    PHASE_LIMITS,         // limit_req, limit_conn
    PHASE_ACCESS,         // allow, deny
    PHASE_TRY_FILES,
    PHASE_CONTENT,
    PHASE_COUNT,
};

struct phase_row {
    const char *name;
    phase_fn run;
};

extern const struct phase_row phases[PHASE_COUNT];

int phase_server_rewrite(struct request *r);
int phase_find_location(struct request *r);
int phase_rewrite(struct request *r);
int phase_post_rewrite(struct request *r);
int phase_limit(struct request *r);
int phase_access(struct request *r);
int phase_try_files(struct request *r);
int phase_content(struct request *r);
