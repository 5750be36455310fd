// SPDX-License-Identifier: Apache-2.0
//
// Assertions that stay on in release builds. They are for our own bugs: never for what a peer,
// a file or a configuration said, which are events to be handled.
#pragma once

#include <stdint.h>

#include "lib/base/compiler.h"

// Prints the failed condition and its place to standard error, then aborts.
_Noreturn cold_path void check_failed(const char *condition, const char *file, int line);

// Always evaluated, also in release builds.
#define check(condition)                                      \
    do {                                                      \
        if (unlikely(!(condition)))                           \
            check_failed(#condition, __FILE__, __LINE__);     \
    } while (0)

// An object that crosses a `void *` carries its magic first and proves what it is when it comes
// back (Varnish's miniobj).
#define check_magic(object, expected) check((object) != NULL && (object)->magic == (expected))
