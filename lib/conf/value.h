// SPDX-License-Identifier: Apache-2.0
//
// nginx's units: sizes (k, m; g where offsets are allowed), times (ms s m h d w M y, combined as
// "1h 30m" or "1h30m"). All return 0 or -EINVAL (also for overflow).
#pragma once

#include "lib/base/sv.h"

must_check int conf_size(struct sv s, int64_t *bytes);  // k, m
must_check int conf_offset(struct sv s, int64_t *bytes); // k, m, g
must_check int conf_msec(struct sv s, int64_t *ms);
must_check int conf_sec(struct sv s, int64_t *seconds);
must_check int conf_number(struct sv s, int64_t *n);
