// SPDX-License-Identifier: Apache-2.0
#include "server/filters/gzip_cache.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "lib/file/open_file.h"

static struct gzip_key key_of(uint64_t ino)
{
    struct open_file f = {.ino = ino, .ctime_s = 1, .ctime_ns = 1, .size = 7};
    struct gzip_key key;

    cr_assert(gzip_key_make(&f, 1, 100000, &key));
    return key;
}

static void put(struct gzip_cache *c, uint64_t ino, const char *body)
{
    struct gzip_key key = key_of(ino);

    gzip_cache_put(c, &key, sv_from(body));
}

static struct sv get(struct gzip_cache *c, uint64_t ino)
{
    struct gzip_key key = key_of(ino);

    return gzip_cache_get(c, &key);
}

Test(gzip_cache, gives_what_was_put_in)
{
    struct gzip_cache *c = gzip_cache_new(10000);

    cr_assert_null(get(c, 1).p);
    put(c, 1, "one");
    put(c, 2, "two");
    cr_assert(sv_eq(get(c, 1), SV("one")));
    cr_assert(sv_eq(get(c, 2), SV("two")));
    put(c, 1, "other");
    cr_assert(sv_eq(get(c, 1), SV("one")));
    gzip_cache_free(c);
}

Test(gzip_cache, the_one_used_longest_ago_makes_room)
{
    static char body[1001];
    struct gzip_cache *c = gzip_cache_new(5 * 1200);

    memset(body, 'x', 1000);
    for (uint64_t i = 1; i <= 5; i++)
        put(c, i, body);
    cr_assert_not_null(get(c, 1).p);
    put(c, 6, body);
    cr_assert_not_null(get(c, 1).p);
    cr_assert_null(get(c, 2).p);
    cr_assert_not_null(get(c, 3).p);
    for (uint64_t i = 10; i < 1000; i++)
        put(c, i, body);
    cr_assert_null(get(c, 1).p);
    cr_assert_not_null(get(c, 999).p);
    gzip_cache_free(c);
}

Test(gzip_cache, large_body_does_not_drive_out_the_others)
{
    static char body[3001];
    struct gzip_cache *c = gzip_cache_new(8000);

    memset(body, 'x', 3000);
    put(c, 1, "small");
    put(c, 2, body);
    cr_assert_null(get(c, 2).p);
    cr_assert_not_null(get(c, 1).p);
    gzip_cache_free(c);
}

Test(gzip_cache, each_part_of_a_version_counts)
{
    static const struct open_file rows[] = {
        {.dev = 1}, {.ino = 1}, {.size = 1}, {.mtime_s = 1}, {.mtime_ns = 1},
        {.ctime_s = 1}, {.ctime_ns = 1}, {.size = 0},
    };
    struct gzip_cache *c = gzip_cache_new(100000);
    struct gzip_key key;
    char name[2] = "a";

    for (size_t i = 0; i < array_len(rows); i++, name[0]++) {
        cr_assert(gzip_key_make(&rows[i], 1, 1000000, &key));
        gzip_cache_put(c, &key, sv_from(name));
    }
    name[0] = 'a';
    for (size_t i = 0; i < array_len(rows); i++, name[0]++) {
        cr_assert(gzip_key_make(&rows[i], 1, 1000000, &key));
        cr_assert(sv_eq(gzip_cache_get(c, &key), sv_from(name)), "row %zu", i);
        key.level = 2;
        cr_assert_null(gzip_cache_get(c, &key).p);
    }
    gzip_cache_free(c);
}

// A clock of the kernel's ticks times two changes alike.
Test(gzip_cache, file_that_was_changed_just_now_has_no_version_yet)
{
    struct open_file f = {.ctime_s = 1000, .ctime_ns = 500000000};
    struct gzip_key key;

    cr_assert(!gzip_key_make(&f, 1, 1000500, &key));
    cr_assert(!gzip_key_make(&f, 1, 1000599, &key));
    cr_assert(gzip_key_make(&f, 1, 1000600, &key));
    cr_assert(!gzip_key_make(&f, 1, 900000, &key), "a time in the future");
    f.ctime_ns = 0;
    cr_assert(!gzip_key_make(&f, 1, 1001900, &key));
    cr_assert(gzip_key_make(&f, 1, 1002000, &key));
}
