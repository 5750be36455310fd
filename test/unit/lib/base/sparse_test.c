// SPDX-License-Identifier: Apache-2.0
#include "lib/base/sparse.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

// Packs in exactly the room that was foretold, and unpacks into exactly as much as there was.
static size_t there_and_back(const uint8_t *p, size_t n)
{
    size_t size = sparse_pack(p, n, NULL);
    uint8_t *packed = malloc(size + 1), *back = malloc(n + 1);

    cr_assert_leq(size, SPARSE_MAX(n));
    packed[size] = back[n] = 0xa5;
    cr_assert_eq(sparse_pack(p, n, packed), size);
    cr_assert_eq(sparse_unpack(packed, back, n), size);
    cr_assert_eq(packed[size], 0xa5);
    cr_assert_eq(back[n], 0xa5);
    cr_assert(n == 0 || memcmp(p, back, n) == 0);
    free(packed);
    free(back);
    return size;
}

Test(sparse, zeros_cost_a_bit_for_each_word)
{
    static const uint8_t zeros[1024];

    for (size_t n = 0; n <= sizeof(zeros); n++)
        cr_assert_eq(there_and_back(zeros, n), (n + 63) / 64);
}

Test(sparse, a_byte_at_each_place_of_each_length)
{
    for (size_t n = 1; n < 140; n++) {
        for (size_t i = 0; i < n; i++) {
            uint8_t bytes[140] = {0};
            bytes[i] = 7;
            cr_assert_eq(there_and_back(bytes, n), (n + 63) / 64 + 2);
        }
    }
}

Test(sparse, full_bytes_cost_an_eighth_more)
{
    uint8_t bytes[640];

    memset(bytes, 0xff, sizeof(bytes));
    cr_assert_eq(there_and_back(bytes, sizeof(bytes)), 640 + 80 + 10);
    cr_assert_eq(SPARSE_MAX(sizeof(bytes)), 640 + 80 + 10);
}

Test(sparse, anything)
{
    uint8_t bytes[300];

    srand(1);
    for (int i = 0; i < 3000; i++) {
        size_t n = (size_t)rand() % sizeof(bytes);
        int zeros = rand() % 10;
        for (size_t k = 0; k < n; k++)
            bytes[k] = rand() % 10 < zeros ? 0 : (uint8_t)rand();
        there_and_back(bytes, n);
    }
}
