// SPDX-License-Identifier: Apache-2.0
//
// Tables between two character sets of one byte each, or between one of those and UTF-8 (RFC 3629),
// as nginx's charset_map has them, and recoding with them. Pure.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"

struct charset_map {
    bool utf8;               // the second set is UTF-8
    uint8_t forward[256][4]; // first to second: how many bytes, and the bytes
    uint8_t backward[256];   // second to first, both of one byte
    uint8_t *pages[256];     // UTF-8 to the first: by code point's high and low byte; 0: none
};

// ASCII is as it is on both sides; any other byte has no counterpart yet. `m` is in `a`, zeroed.
// -ENOMEM.
must_check int charset_map_init(struct charset_map *m, struct arena *a, bool utf8);
// `byte` of the first set is `to` of the second: one byte, or the UTF-8 of one character up to
// U+FFFF. 0, -EINVAL or -ENOMEM.
must_check int charset_map_add(struct charset_map *m, struct arena *a, uint8_t byte, struct sv to);

// Recodes from the first to the second set, or from the second to the first with `backward`. What
// has no counterpart becomes "?", or from UTF-8 a character reference ("&#8364;"); what is not
// UTF-8 becomes "?", too. `out` has room for charset_recode_length() bytes, which are written.
void charset_recode(const struct charset_map *m, bool backward, struct sv in, char *out);
size_t charset_recode_length(const struct charset_map *m, bool backward, struct sv in);
