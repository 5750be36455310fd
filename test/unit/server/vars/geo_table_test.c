// SPDX-License-Identifier: Apache-2.0
//
// The tables of geo against plain lists of the same lines, and against what nginx decides when
// ranges meet.
#include "server/vars/geo_table.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LINES 600
#define PROBES 20000

static const struct sv a = {"a", 1}, also_a = {"a", 1}, b = {"b", 1}, c = {"c", 1};

static struct net_prefix prefix(const char *text)
{
    struct net_prefix p;

    cr_assert_eq(net_prefix_parse(sv_from(text), &p, NULL), 0, "%s", text);
    return p;
}

static const struct sv *put(struct geo_networks *t, struct arena *arena, const char *text,
                            const struct sv *value)
{
    struct net_prefix p = prefix(text);
    const struct sv *old;

    cr_assert_eq(geo_networks_put(t, arena, &p, value, &old), 0);
    return old;
}

static const struct sv *find(const struct geo_networks *t, const char *text)
{
    struct net_prefix p = prefix(text);

    return geo_networks_find(t, p.family, p.bytes);
}

Test(geo_networks, the_longest_that_fits_counts_whatever_the_order)
{
    static const char *const lines[] = {"10.1.0.0/16", "0.0.0.0/0", "10.1.2.3", "10.0.0.0/8"};
    static const struct sv values[] = {{"16", 2}, {"0", 1}, {"32", 2}, {"8", 1}};

    for (unsigned turn = 0; turn < array_len(lines); turn++) {
        struct geo_networks t = {NULL, NULL};
        struct arena arena;
        arena_init(&arena, NULL);
        for (unsigned i = 0; i < array_len(lines); i++) {
            unsigned k = (turn + i) % array_len(lines);
            cr_assert_null(put(&t, &arena, lines[k], &values[k]));
        }
        cr_expect_eq(find(&t, "10.1.2.3"), &values[2]);
        cr_expect_eq(find(&t, "10.1.2.2"), &values[0]);
        cr_expect_eq(find(&t, "10.2.2.3"), &values[3]);
        cr_expect_eq(find(&t, "11.0.0.0"), &values[1]);
        cr_expect_null(find(&t, "::"));
        arena_reset(&arena);
    }
}

Test(geo_networks, a_network_is_replaced_or_deleted_alone)
{
    struct geo_networks t = {NULL, NULL};
    struct net_prefix outer = prefix("2001:db8::/32"), between = prefix("2001:db8::/40");
    struct arena arena;

    arena_init(&arena, NULL);
    cr_assert_null(put(&t, &arena, "2001:db8::/32", &a));
    cr_assert_eq(put(&t, &arena, "2001:db8::/32", &b), &a);
    cr_assert_null(put(&t, &arena, "2001:db8::1", &c));
    cr_assert(!geo_networks_delete(&t, &between));
    cr_assert(geo_networks_delete(&t, &outer));
    cr_assert(!geo_networks_delete(&t, &outer));
    cr_assert_null(find(&t, "2001:db8::2"));
    cr_assert_eq(find(&t, "2001:db8::1"), &c);
    cr_assert_null(put(&t, &arena, "2001:db8::/32", &a));
    cr_assert_eq(find(&t, "2001:db8::2"), &a);
    arena_reset(&arena);
}

Test(geo_networks, a_fork_between_networks_has_no_value)
{
    struct geo_networks t = {NULL, NULL};
    struct net_prefix fork = prefix("10.0.0.0/14");
    struct arena arena;

    arena_init(&arena, NULL);
    put(&t, &arena, "10.1.0.0/16", &a);
    put(&t, &arena, "10.2.0.0/16", &b);
    cr_assert_null(find(&t, "10.3.0.0"));
    cr_assert(!geo_networks_delete(&t, &fork));
    cr_assert_null(put(&t, &arena, "10.0.0.0/14", &c));
    cr_assert_eq(find(&t, "10.3.0.0"), &c);
    cr_assert_eq(find(&t, "10.2.0.1"), &b);
    arena_reset(&arena);
}

// Few leading bits, so that networks lie within each other.
static struct net_prefix random_prefix(int family, bool whole)
{
    unsigned width = family == AF_INET ? 32 : 128;
    struct net_prefix p = {.family = family};

    for (unsigned i = 0; i < width / 8; i++)
        p.bytes[i] = (unsigned char)(rand() & (i % 2 == 0 ? 0x03 : 0x80));
    p.bits = whole ? width : (unsigned)rand() % (width + 1);
    for (unsigned i = p.bits; i < width; i++)
        p.bytes[i / 8] &= (unsigned char)~(0x80 >> i % 8);
    return p;
}

static bool covers(const struct net_prefix *p, const struct net_prefix *q)
{
    for (unsigned i = 0; i < p->bits; i++) {
        if ((p->bytes[i / 8] ^ q->bytes[i / 8]) & 0x80 >> i % 8)
            return false;
    }
    return p->bits <= q->bits;
}

struct line {
    struct net_prefix prefix;
    struct sv value; // p == NULL: deleted
};

static struct line *find_line(struct line *lines, const struct net_prefix *p, bool same)
{
    struct line *best = NULL;

    for (unsigned i = 0; i < LINES; i++) {
        struct line *l = &lines[i];
        if (l->value.p == NULL || !covers(&l->prefix, p) || (same && l->prefix.bits != p->bits))
            continue;
        if (best == NULL || l->prefix.bits > best->prefix.bits)
            best = l;
    }
    return best;
}

static void compare_with_list(int family)
{
    struct line *lines = calloc(LINES, sizeof(*lines));
    struct geo_networks t = {NULL, NULL};
    struct arena arena;

    srand((unsigned)family);
    arena_init(&arena, NULL);
    for (unsigned i = 0; i < LINES; i++) {
        struct net_prefix p = random_prefix(family, false);
        struct line *same = find_line(lines, &p, true);
        const struct sv *old;
        if (i % 4 == 3) {
            cr_assert_eq(geo_networks_delete(&t, &p), same != NULL);
        } else {
            lines[i] = (struct line){p, SV("x")};
            cr_assert_eq(geo_networks_put(&t, &arena, &p, &lines[i].value, &old), 0);
            cr_assert_eq(old, same != NULL ? &same->value : NULL);
        }
        if (same != NULL)
            same->value.p = NULL;
    }
    for (unsigned i = 0; i < PROBES; i++) {
        struct net_prefix p = random_prefix(family, true);
        struct line *l = find_line(lines, &p, false);
        cr_assert_eq(geo_networks_find(&t, family, p.bytes), l != NULL ? &l->value : NULL);
    }
    arena_reset(&arena);
    free(lines);
}

Test(geo_networks, finds_what_a_list_of_the_same_ipv4_networks_finds)
{
    compare_with_list(AF_INET);
}

Test(geo_networks, finds_what_a_list_of_the_same_ipv6_networks_finds)
{
    compare_with_list(AF_INET6);
}

static int put_range(struct geo_pieces *p, uint32_t first, uint32_t last, const struct sv *value,
                     struct geo_range *clash)
{
    return geo_pieces_put(p, &(struct geo_range){first, last, value}, clash);
}

Test(geo_ranges, a_range_within_another_takes_its_place_there)
{
    static const uint32_t inner[][2] = {{10, 20}, {12, 20}, {10, 18}, {12, 18}, {15, 15}};
    struct geo_range clash;

    for (unsigned i = 0; i < array_len(inner); i++) {
        struct geo_pieces *p = geo_pieces_new();
        struct geo_ranges t;
        struct arena arena;
        arena_init(&arena, NULL);
        cr_assert_eq(put_range(p, 30, 40, &c, &clash), 0);
        cr_assert_eq(put_range(p, 10, 20, &a, &clash), 0);
        cr_assert_eq(put_range(p, inner[i][0], inner[i][1], &b, &clash), i == 0 ? -EEXIST : 0);
        cr_assert(i != 0 || clash.value == &a);
        cr_assert_eq(geo_pieces_join(p, &arena, &t), 0);
        for (uint32_t n = 0; n < 50; n++) {
            const struct sv *wanted = n >= 10 && n <= 20 ? &a : n >= 30 && n <= 40 ? &c : NULL;
            if (n >= inner[i][0] && n <= inner[i][1])
                wanted = &b;
            cr_expect_eq(geo_ranges_find(&t, n), wanted, "%u in case %u", n, i);
        }
        geo_pieces_free(p);
        arena_reset(&arena);
    }
}

Test(geo_ranges, overlapping_is_refused_and_names_what_was_there)
{
    static const uint32_t bad[][2] = {{5, 10}, {5, 15}, {20, 25}, {15, 25}, {5, 25}};
    struct geo_pieces *p = geo_pieces_new();
    struct geo_range clash;

    cr_assert_eq(put_range(p, 10, 20, &a, &clash), 0);
    for (unsigned i = 0; i < array_len(bad); i++) {
        cr_expect_eq(put_range(p, bad[i][0], bad[i][1], &b, &clash), -EINVAL, "case %u", i);
        cr_expect(clash.first == 10 && clash.last == 20, "case %u", i);
    }
    cr_expect_eq(put_range(p, 9, 9, &b, &clash), 0);
    cr_expect_eq(put_range(p, 21, 21, &b, &clash), 0);
    geo_pieces_free(p);
}

Test(geo_ranges, what_overlaps_is_decided_for_each_16_bit_block_as_nginx_does)
{
    struct geo_pieces *p = geo_pieces_new();
    struct geo_range clash;
    struct geo_ranges t;
    struct arena arena;

    arena_init(&arena, NULL);
    // The second covers the whole of the first's second block.
    cr_assert_eq(put_range(p, 0x0a000005, 0x0a01ffff, &a, &clash), 0);
    cr_assert_eq(put_range(p, 0x0a010000, 0x0a020003, &b, &clash), -EEXIST);
    cr_assert_eq(geo_pieces_join(p, &arena, &t), 0);
    cr_expect_null(geo_ranges_find(&t, 0x0a000004));
    cr_expect_eq(geo_ranges_find(&t, 0x0a000005), &a);
    cr_expect_eq(geo_ranges_find(&t, 0x0a00ffff), &a);
    cr_expect_eq(geo_ranges_find(&t, 0x0a010000), &b);
    cr_expect_eq(geo_ranges_find(&t, 0x0a020003), &b);
    cr_expect_null(geo_ranges_find(&t, 0x0a020004));
    geo_pieces_free(p);
    arena_reset(&arena);
}

Test(geo_ranges, only_whole_pieces_are_deleted)
{
    struct geo_pieces *p = geo_pieces_new();
    struct geo_range clash;
    struct geo_ranges t;
    struct arena arena;

    arena_init(&arena, NULL);
    cr_assert_eq(put_range(p, 0, 255, &a, &clash), 0);
    cr_assert(!geo_pieces_delete(p, 0, 254));
    cr_assert(!geo_pieces_delete(p, 300, 310));
    cr_assert_eq(put_range(p, 1, 1, &b, &clash), 0);
    cr_assert(geo_pieces_delete(p, 2, 255));
    cr_assert(geo_pieces_delete(p, 1, 1));
    cr_assert(!geo_pieces_delete(p, 1, 1));
    cr_assert_eq(put_range(p, 0x0fffe, 0x30001, &c, &clash), 0);
    cr_assert(geo_pieces_delete(p, 0x0fffe, 0x30001));
    cr_assert_eq(geo_pieces_join(p, &arena, &t), 0);
    cr_expect_eq(t.count, 1);
    cr_expect_eq(geo_ranges_find(&t, 0), &a);
    cr_expect_null(geo_ranges_find(&t, 1));
    geo_pieces_free(p);
    arena_reset(&arena);
}

Test(geo_ranges, neighbours_of_one_value_become_one_range)
{
    struct geo_pieces *p = geo_pieces_new();
    struct geo_range clash;
    struct geo_ranges t;
    struct arena arena;

    arena_init(&arena, NULL);
    cr_assert_eq(put_range(p, 0, 0xfffffffe, &a, &clash), 0);
    cr_assert_eq(geo_pieces_join(p, &arena, &t), 0);
    cr_expect_eq(t.count, 1);
    cr_expect_eq(geo_ranges_find(&t, 0xfffffffe), &a);
    cr_expect_null(geo_ranges_find(&t, 0xffffffff));
    geo_pieces_free(p);

    p = geo_pieces_new();
    cr_assert_eq(put_range(p, 4, 5, &a, &clash), 0);
    cr_assert_eq(put_range(p, 6, 7, &also_a, &clash), 0);
    cr_assert_eq(put_range(p, 8, 9, &b, &clash), 0);
    cr_assert_eq(put_range(p, 11, 12, &b, &clash), 0);
    cr_assert_eq(geo_pieces_join(p, &arena, &t), 0);
    cr_expect_eq(t.count, 3);
    cr_expect_null(geo_ranges_find(&t, 10));
    geo_pieces_free(p);
    arena_reset(&arena);
}

Test(geo_ranges, an_empty_table_finds_nothing)
{
    struct geo_pieces *p = geo_pieces_new();
    struct geo_ranges t = {NULL, 0};
    struct arena arena;

    arena_init(&arena, NULL);
    cr_assert_eq(geo_pieces_join(p, &arena, &t), 0);
    cr_expect_null(geo_ranges_find(&t, 0));
    geo_pieces_free(p);
    arena_reset(&arena);
}

Test(geo_ranges, finds_what_an_array_of_the_same_ranges_holds)
{
    enum { SPACE = 0x30000 };
    static const struct sv *plain[SPACE];
    struct geo_pieces *p = geo_pieces_new();
    struct sv *values = calloc(LINES, sizeof(*values));
    struct geo_range clash;
    struct geo_ranges t;
    struct arena arena;
    unsigned taken = 0;

    srand(1);
    arena_init(&arena, NULL);
    // Lengths shrink, so that most of the later ranges lie within earlier ones or apart.
    for (unsigned i = 0; i < LINES; i++) {
        uint32_t first = (uint32_t)rand() % SPACE, last = first + (LINES - i) * 10;
        last = min_of(last, first | 0xffff);
        char name[8];
        snprintf(name, sizeof(name), "%u", i);
        values[i] = arena_sv(&arena, sv_from(name));
        int rc = put_range(p, first, last, &values[i], &clash);
        cr_assert(rc == 0 || rc == -EINVAL);
        for (uint32_t n = first; rc == 0 && n <= last; n++)
            plain[n] = &values[i];
        taken += rc == 0;
    }
    cr_assert_gt(taken, LINES / 10);
    cr_assert_eq(geo_pieces_join(p, &arena, &t), 0);
    for (uint32_t n = 0; n < SPACE; n++)
        cr_assert_eq(geo_ranges_find(&t, n), plain[n], "%x", n);
    geo_pieces_free(p);
    free(values);
    arena_reset(&arena);
}
