// SPDX-License-Identifier: Apache-2.0
#include "lib/base/sparse.h"

#include <string.h>

#include "lib/base/compiler.h"

// Which of the first `n` bytes, eight at most, are not zero.
static uint8_t nonzero(const uint8_t *p, size_t n)
{
    uint8_t mask = 0;

    for (size_t i = 0; i < n; i++)
        mask = (uint8_t)(mask | (p[i] != 0) << i);
    return mask;
}

static void put(uint8_t *out, size_t at, uint8_t byte)
{
    if (out != NULL)
        out[at] = byte;
}

// A mask of the word's bytes, and those bytes.
static size_t pack_word(const uint8_t *p, uint8_t mask, uint8_t *out, size_t at)
{
    put(out, at++, mask);
    for (unsigned i = 0; i < 8; i++) {
        if (mask & 1u << i)
            put(out, at++, p[i]);
    }
    return at;
}

// A mask of eight words, and what each of them needs.
static size_t pack_group(const uint8_t *p, size_t n, uint8_t *out, size_t at)
{
    size_t mask_at = at++;
    uint8_t words = 0;

    for (unsigned i = 0; i < 8 && i * 8 < n; i++) {
        uint8_t mask = nonzero(p + i * 8, min_of(n - i * 8, (size_t)8));
        if (mask == 0)
            continue;
        words = (uint8_t)(words | 1u << i);
        at = pack_word(p + i * 8, mask, out, at);
    }
    put(out, mask_at, words);
    return at;
}

size_t sparse_pack(const void *p, size_t n, uint8_t *out)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i += 64)
        at = pack_group((const uint8_t *)p + i, min_of(n - i, (size_t)64), out, at);
    return at;
}

static size_t unpack_word(const uint8_t *in, size_t at, uint8_t *p)
{
    uint8_t mask = in[at++];

    for (unsigned i = 0; i < 8; i++) {
        if (mask & 1u << i)
            p[i] = in[at++];
    }
    return at;
}

size_t sparse_unpack(const uint8_t *in, void *p, size_t n)
{
    uint8_t *out = p;
    size_t at = 0;

    if (n != 0)
        memset(p, 0, n);
    for (size_t i = 0; i < n; i += 64) {
        uint8_t words = in[at++];
        for (unsigned k = 0; k < 8; k++) {
            if (words & 1u << k)
                at = unpack_word(in, at, out + i + k * 8);
        }
    }
    return at;
}
