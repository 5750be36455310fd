// SPDX-License-Identifier: Apache-2.0
#include "lib/base/arena.h"

#include <criterion/criterion.h>
#include <stdint.h>

Test(arena, allocations_are_aligned_and_do_not_overlap)
{
    struct arena a;
    char *before = NULL;
    size_t before_n = 0;

    arena_init(&a, NULL);
    for (size_t n = 0; n < 3000; n += 37) {
        char *p = arena_alloc(&a, n);
        cr_assert_not_null(p);
        cr_assert_eq((uintptr_t)p % 16, 0);
        memset(p, 0xaa, n);
        if (before != NULL && p > before)
            cr_assert(p >= before + before_n);
        before = p;
        before_n = n;
    }
    arena_reset(&a);
    cr_assert_null(a.chunk);
}

Test(arena, large_allocations_leave_the_room_of_the_current_chunk_in_use)
{
    struct arena a;

    arena_init(&a, NULL);
    char *small = arena_alloc(&a, 16);
    char *large = arena_alloc(&a, 100000);
    char *next = arena_alloc(&a, 16);
    cr_assert_not_null(large);
    memset(large, 1, 100000);
    cr_assert_eq(next, small + 16);
    arena_reset(&a);
}

Test(arena, chunks_return_to_the_pool_up_to_its_limit)
{
    struct arena_pool pool = {.keep = 2};
    struct arena a;

    arena_init(&a, &pool);
    for (int i = 0; i < 20; i++)
        cr_assert_not_null(arena_alloc(&a, 1000));
    arena_reset(&a);
    cr_assert_eq(pool.count, 2);
    cr_assert_not_null(arena_alloc(&a, 1000));
    cr_assert_eq(pool.count, 1);
    arena_reset(&a);
    arena_pool_drain(&pool);
    cr_assert_eq(pool.count, 0);
}

Test(arena, absurd_sizes_fail_instead_of_wrapping)
{
    struct arena a;

    arena_init(&a, NULL);
    cr_assert_null(arena_alloc(&a, SIZE_MAX));
    cr_assert_null(arena_alloc(&a, SIZE_MAX - 16));
    arena_reset(&a);
}

Test(arena, printf_gives_a_terminated_copy)
{
    struct arena a;

    arena_init(&a, NULL);
    struct sv s = arena_printf(&a, "%d-%s", 42, "x");
    cr_assert_str_eq(s.p, "42-x");
    cr_assert_eq(s.n, 4);
    struct sv copy = arena_sv(&a, sv_take(s, 2));
    cr_assert_str_eq(copy.p, "42");
    arena_reset(&a);
}
