// SPDX-License-Identifier: Apache-2.0
//
// Will the kernel give io_uring to a silo? Asked before anything is bound, by a child process that
// has given up root already: what the master may do says little about what its silos may.
#pragma once

#include <stddef.h>

#include "lib/base/compiler.h"

struct identity;

// 0, or -errno with `why` (at least 256 bytes) saying why not and what to do about it.
must_check int preflight(const struct identity *id, char *why, size_t why_size);
