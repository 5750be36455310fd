// SPDX-License-Identifier: Apache-2.0
//
// String view: bytes that belong to somebody else, with a length. Not terminated unless a
// function says so.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/compiler.h"

struct sv {
    const char *p; // borrowed; may be NULL when n is 0
    size_t n;      // bytes
};

// For string literals only: the length is taken from the type.
#define SV(literal) ((struct sv){(literal), sizeof(literal) - 1})
// For printf's "%.*s".
#define SV_ARG(s) (int)(s).n, (s).p

static inline struct sv sv_from(const char *cstr)
{
    return (struct sv){cstr, cstr != NULL ? strlen(cstr) : 0};
}

static inline struct sv sv_of(const char *p, size_t n)
{
    return (struct sv){p, n};
}

#define SV_DECIMAL_MAX 20 // digits of the largest uint64_t

// The decimal digits of n, which stand in `text`.
static inline struct sv sv_decimal(char text[SV_DECIMAL_MAX], uint64_t n)
{
    size_t at = SV_DECIMAL_MAX;

    do {
        text[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    return sv_of(text + at, SV_DECIMAL_MAX - at);
}

// The part from `start` (clamped) to the end.
static inline struct sv sv_skip(struct sv s, size_t start)
{
    return start >= s.n ? (struct sv){NULL, 0} : (struct sv){s.p + start, s.n - start};
}

// The first `n` bytes, or all when there are fewer.
static inline struct sv sv_take(struct sv s, size_t n)
{
    return (struct sv){s.p, n < s.n ? n : s.n};
}

static inline bool sv_eq(struct sv a, struct sv b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool sv_starts(struct sv s, struct sv prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool sv_ends(struct sv s, struct sv suffix)
{
    return s.n >= suffix.n &&
           (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

// ASCII case-insensitive comparisons; the locale has no say.
bool sv_eq_nocase(struct sv a, struct sv b);
bool sv_starts_nocase(struct sv s, struct sv prefix);

// Index of the first `c`, or -1.
ptrdiff_t sv_find(struct sv s, char c);

// Without spaces and tabs at both ends (RFC 9110, 5.6.3 OWS).
struct sv sv_trim(struct sv s);

// Decimal digits only, the whole view, no sign. 0, -EINVAL (empty or another character), or
// -ERANGE (does not fit).
must_check int sv_to_u64(struct sv s, uint64_t *value);
