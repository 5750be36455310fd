// SPDX-License-Identifier: Apache-2.0
#include "lib/base/hash.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

Test(hash, every_byte_and_the_length_count)
{
    char text[64];

    memset(text, 'a', sizeof(text));
    for (size_t n = 0; n < sizeof(text); n++) {
        cr_assert_neq(hash_bytes(text, n), hash_bytes(text, n + 1 > 64 ? 0 : n + 1));
        for (size_t i = 0; i < n; i++) {
            uint64_t before = hash_bytes(text, n);
            text[i] = 'b';
            cr_assert_neq(before, hash_bytes(text, n), "byte %zu of %zu", i, n);
            text[i] = 'a';
        }
    }
}

Test(strmap, finds_what_was_put_and_nothing_else)
{
    struct arena a;
    struct strmap m;
    static int values[1000];
    static char keys[1000][16];

    arena_init(&a, NULL);
    cr_assert_eq(strmap_init(&m, &a, 1000, false), 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%d", i);
        cr_assert_eq(strmap_put(&m, sv_from(keys[i]), &values[i]), 0);
    }
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(strmap_get(&m, sv_from(keys[i])), &values[i]);
    cr_assert_null(strmap_get(&m, SV("k1000")));
    cr_assert_null(strmap_get(&m, SV("K1")));
    cr_assert_eq(strmap_put(&m, SV("k1"), &values[0]), -EEXIST);
    arena_reset(&a);
}

Test(strmap, may_ignore_case)
{
    struct arena a;
    struct strmap m;
    int x;

    arena_init(&a, NULL);
    cr_assert_eq(strmap_init(&m, &a, 4, true), 0);
    cr_assert_eq(strmap_put(&m, SV("M3U8"), &x), 0);
    cr_assert_eq(strmap_get(&m, SV("m3u8")), &x);
    cr_assert_eq(strmap_put(&m, SV("m3U8"), &x), -EEXIST);
    arena_reset(&a);
}

Test(strmap, refuses_to_fill_up)
{
    struct arena a;
    struct strmap m;
    static char keys[64][16];
    int x, rc = 0, i;

    arena_init(&a, NULL);
    cr_assert_eq(strmap_init(&m, &a, 1, false), 0);
    for (i = 0; i < 64 && rc == 0; i++) {
        snprintf(keys[i], sizeof(keys[i]), "%d", i);
        rc = strmap_put(&m, sv_from(keys[i]), &x);
    }
    cr_assert_eq(rc, -ENOSPC);
    cr_assert_null(strmap_get(&m, SV("absent")));
    arena_reset(&a);
}
