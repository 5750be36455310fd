// SPDX-License-Identifier: Apache-2.0
//
// Structures that have to be kept for long and are mostly zeros, packed: words that are zero cost a
// bit, the others their bytes that are not zero and one more. Pure; not for another machine.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Writes p[0..n) packed to `out`, which has room for it: SPARSE_MAX(n) bytes are always enough.
// NULL: only counts. Returns how many bytes it takes.
size_t sparse_pack(const void *p, size_t n, uint8_t *out);
// The reverse: `n` bytes to `p` of what sparse_pack() made of as many. Returns how many bytes of
// `in` they took.
size_t sparse_unpack(const uint8_t *in, void *p, size_t n);

#define SPARSE_MAX(n) (((n) + 63) / 64 + ((n) + 7) / 8 * 9)
