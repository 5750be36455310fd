// SPDX-License-Identifier: Apache-2.0
//
// The environment that silos and a new binary see: TZ and what `env` lines name, nothing else.
#pragma once

#include "lib/base/compiler.h"

struct env_line;

// A NULL-terminated array: "NAME=value" lines as they are, the others with their value in `from`
// (left out when they have none), then `extra` (may be NULL). The strings are borrowed; the array
// is the caller's to free(). NULL when memory is out.
char **environment_make(const struct env_line *lines, char *const *from, const char *extra);
