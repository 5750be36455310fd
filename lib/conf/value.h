// SPDX-License-Identifier: Apache-2.0
//
// nginx's units: sizes (k, m; g where offsets are allowed), times (largest unit first, combined as
// "1h 30m" or "1h30m"; M is 30 days, y is 365). All return 0 or -EINVAL (also for overflow); a
// result is never negative, and nothing is written on failure. The grammar is that of ngx_parse.c.
#pragma once

#include "lib/base/sv.h"

must_check int conf_size(struct sv s, int64_t *bytes);  // k, m
must_check int conf_offset(struct sv s, int64_t *bytes); // k, m, g
must_check int conf_msec(struct sv s, int64_t *ms);     // w d h m s ms; a bare number is seconds
must_check int conf_sec(struct sv s, int64_t *seconds); // y M w d h m s, the same
must_check int conf_number(struct sv s, int64_t *n);    // decimal digits alone
