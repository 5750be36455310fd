// SPDX-License-Identifier: Apache-2.0
//
// The value of `expires`: read at load, or for each request when it has variables.
#pragma once

#include "lib/base/compiler.h"
#include "server/config/location_conf.h"

// "epoch", "max", "off", "@15h30m", "-1", "30d", ... `mode` comes in as EXPIRES_MODIFIED when the
// word "modified" stood before, else as EXPIRES_ACCESS. 0, or -EINVAL with *why set to nginx's
// words.
must_check int expires_parse(struct sv text, enum expires_mode *mode, int64_t *seconds,
                             const char **why);
