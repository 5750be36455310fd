// SPDX-License-Identifier: Apache-2.0
//
// What the limit directives say in one location, and what a request remembers of them.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct limit_zone;
struct limit_conn_hold;

struct limit_req_rule {
    const struct limit_zone *zone;
    int64_t burst, delay;    // thousandths of a request; delay is INT64_MAX for `nodelay`
};

struct limit_req_rules {     // of one level, in the order of the file; configuration arena
    unsigned count;
    struct limit_req_rule rule[];
};

struct limit_conn_rule {
    const struct limit_zone *zone;
    uint32_t most;           // connections of one key
};

struct limit_conn_rules {
    unsigned count;
    struct limit_conn_rule rule[];
};

struct limit_conf {
    struct limit_req_rules *req;   // CONF_UNSET_PTR until merged; NULL: none
    struct limit_conn_rules *conn; // the same
    int64_t req_status, conn_status;
    int64_t req_log_level, conn_log_level; // enum log_level
    int64_t req_dry_run, conn_dry_run;
};

// What became of a request. A request is limited once, also when it is redirected internally.
enum limit_status {
    LIMIT_NOT_SEEN,
    LIMIT_PASSED,
    LIMIT_DELAYED,
    LIMIT_REJECTED,
    LIMIT_DELAYED_DRY_RUN,
    LIMIT_REJECTED_DRY_RUN,
};

struct limit_state {
    uint8_t req, conn;             // enum limit_status
    bool delayed;                  // waits for its turn
    struct limit_conn_hold *holds; // what limit_conn counts for this request; request arena
};
