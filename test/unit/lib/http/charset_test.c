// SPDX-License-Identifier: Apache-2.0
#include "lib/http/charset.h"

#include <criterion/criterion.h>
#include <errno.h>

static struct arena arena;
static struct charset_map map;

static void set_up(bool utf8)
{
    memset(&map, 0, sizeof(map));
    arena_init(&arena, NULL);
    cr_assert_eq(charset_map_init(&map, &arena, utf8), 0);
}

static void add(uint8_t byte, const char *to)
{
    cr_assert_eq(charset_map_add(&map, &arena, byte, sv_from(to)), 0);
}

static void recodes(bool backward, const char *in, const char *expected)
{
    char out[256];
    size_t n = charset_recode_length(&map, backward, sv_from(in));

    cr_assert_eq(n, strlen(expected), "%zu bytes for \"%s\"", n, in);
    charset_recode(&map, backward, sv_from(in), out);
    cr_assert_arr_eq(out, expected, n, "\"%.*s\" for \"%s\"", (int)n, out, in);
}

TestSuite(charset, .timeout = 10);

Test(charset, single_bytes_go_both_ways_and_others_become_a_question_mark)
{
    set_up(false);
    add(0xc1, "\xe1");
    add('X', "Y");
    recodes(false, "aX\xc1\xc2", "aY\xe1?");
    recodes(true, "aY\xe1\xc1", "aX\xc1?");
    arena_reset(&arena);
}

Test(charset, to_utf8_one_byte_may_become_three)
{
    set_up(true);
    add(0xc1, "\xd0\xb0");
    add(0x80, "\xe2\x82\xac");
    recodes(false, "a\xc1\x80\xff", "a\xd0\xb0\xe2\x82\xac?");
    recodes(false, "", "");
    arena_reset(&arena);
}

Test(charset, from_utf8_unknown_characters_become_references)
{
    set_up(true);
    add(0xc1, "\xd0\xb0");
    recodes(true, "a\xd0\xb0", "a\xc1");
    recodes(true, "\xe2\x82\xac", "&#8364;");
    recodes(true, "\xf0\x9f\x98\x80", "&#128512;");
    arena_reset(&arena);
}

// What is broken must not swallow what follows: a "<" would change the page's structure.
Test(charset, from_utf8_broken_bytes_leave_the_next_character_alone)
{
    set_up(true);
    add(0xc1, "\xd0\xb0");
    recodes(true, "\xd0<b", "?<b");
    recodes(true, "\xe2\x82<", "?<");
    recodes(true, "\x80\xc0\xff", "???");
    recodes(true, "x\xf0\x9f", "x?");
    recodes(true, "\xed\xa0\x80", "?"); // a surrogate
    recodes(true, "\xe0\x80\x80", "?"); // overlong
    recodes(true, "\xf4\x90\x80\x80", "?"); // above U+10FFFF
    arena_reset(&arena);
}

Test(charset, pairs_that_cannot_be_are_refused)
{
    set_up(true);
    cr_assert_eq(charset_map_add(&map, &arena, 1, SV("")), -EINVAL);
    cr_assert_eq(charset_map_add(&map, &arena, 1, SV("ab")), -EINVAL);
    cr_assert_eq(charset_map_add(&map, &arena, 1, SV("\xd0")), -EINVAL);
    cr_assert_eq(charset_map_add(&map, &arena, 1, SV("\xf0\x9f\x98\x80")), -EINVAL);
    arena_reset(&arena);
    set_up(false);
    cr_assert_eq(charset_map_add(&map, &arena, 1, SV("\xd0\xb0")), -EINVAL);
    arena_reset(&arena);
}
