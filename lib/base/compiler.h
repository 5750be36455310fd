// SPDX-License-Identifier: Apache-2.0
//
// Compiler vocabulary: attributes and the few macros C lacks. Knows nothing else.
#pragma once

#include <stddef.h>

// A function whose result says whether it worked: 0 or -errno. Ignoring it is a compile error.
#define must_check __attribute__((warn_unused_result))
#define printf_like(fmt, args) __attribute__((format(printf, fmt, args)))
#define cold_path __attribute__((cold, noinline))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define array_len(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define min_of(a, b) ((a) < (b) ? (a) : (b))
#define max_of(a, b) ((a) > (b) ? (a) : (b))
