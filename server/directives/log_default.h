// SPDX-License-Identifier: Apache-2.0
//
// The logs that are written where none is configured.
#pragma once

#include "lib/base/sv.h"

struct config;
struct access_log_use;

// logs/access.log in the prefix, format "combined". -ENOMEM.
must_check int access_log_default(struct config *config, struct access_log_use **out);
// The main error log, at level error. -ENOMEM.
must_check int error_log_default(struct config *config, struct sv path);
