// SPDX-License-Identifier: Apache-2.0
#include "lib/http/gzip.h"

#include <errno.h>
#include <zlib.h>

#define GZIP_FORMAT 16 // added to the window's bits
#define WINDOW_MIN 9   // bits; zlib has no smaller one
#define LOOKAHEAD 262  // bytes of the window that matches cannot use

// The part before the separator; *rest is what is behind it.
static struct sv take_part(struct sv s, char separator, struct sv *rest)
{
    ptrdiff_t at = sv_find(s, separator);

    *rest = at < 0 ? sv_of(NULL, 0) : sv_skip(s, (size_t)at + 1);
    return sv_trim(at < 0 ? s : sv_take(s, (size_t)at));
}

// "q=0", "q=0.", "q=0.000" (RFC 9110, 12.4.2)
static bool is_refusal(struct sv parameter)
{
    if (!sv_starts_nocase(parameter, SV("q=")))
        return false;
    for (size_t i = 2; i < parameter.n; i++) {
        if (parameter.p[i] != '0' && parameter.p[i] != '.')
            return false;
    }
    return true;
}

static bool takes_gzip(struct sv element)
{
    struct sv rest;

    if (!sv_eq_nocase(take_part(element, ';', &rest), SV("gzip")))
        return false;
    while (rest.n != 0) {
        if (is_refusal(take_part(rest, ';', &rest)))
            return false;
    }
    return true;
}

bool gzip_accepted(struct sv accept_encoding)
{
    while (accept_encoding.n != 0) {
        if (takes_gzip(take_part(accept_encoding, ',', &accept_encoding)))
            return true;
    }
    return false;
}

int gzip_open(struct z_stream_s *z, int level, size_t expected)
{
    int bits = MAX_WBITS, memory = MAX_MEM_LEVEL - 1;

    // A window larger than the input is only memory.
    while (bits > WINDOW_MIN && expected + LOOKAHEAD < (size_t)1 << (bits - 1)) {
        bits--;
        memory--;
    }
    int rc = deflateInit2(z, level, Z_DEFLATED, bits + GZIP_FORMAT, memory, Z_DEFAULT_STRATEGY);
    return rc == Z_OK ? 0 : -ENOMEM;
}
