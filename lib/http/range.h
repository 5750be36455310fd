// SPDX-License-Identifier: Apache-2.0
//
// The Range header (RFC 9110, 14.1.2 and 14.2) with nginx's limits. Pure.
#pragma once

#include "lib/base/arena.h"
#include "lib/base/sv.h"

struct range {
    uint64_t start, end; // bytes; end is exclusive
};

enum range_verdict {
    // Send the whole body: not a bytes range, more than max_ranges, larger in sum than the body, or
    // a body without bytes.
    RANGE_IGNORE,
    RANGE_PARTIAL,       // `count` ranges to send (206)
    RANGE_UNSATISFIABLE, // 416
    RANGE_NO_MEMORY,
};

// *ranges is in `a`, *count at least 1; both only with RANGE_PARTIAL. `size` of the body in bytes;
// `max_ranges` as in nginx (0: ranges are not done). Follows ngx_http_range_parse in what it
// accepts: spaces, adjacent and overlapping ranges kept in order, each unsatisfiable one left out,
// all of them left out -> RANGE_UNSATISFIABLE.
enum range_verdict range_parse(struct sv header, uint64_t size, uint64_t max_ranges,
                               struct arena *a, struct range **ranges, size_t *count);
