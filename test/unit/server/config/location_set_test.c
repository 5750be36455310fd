// SPDX-License-Identifier: Apache-2.0
#include "server/config/location_set.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static struct arena arena;
static struct conf_error error;

static struct location_conf *make(enum location_kind kind, const char *name)
{
    struct location_conf *l = arena_new(&arena, struct location_conf);
    static struct conf_node where = {.file = "t.conf", .line = 1};
    char why[256];

    l->kind = kind;
    l->name = sv_from(name);
    l->where = &where;
    if (kind == LOC_REGEX)
        cr_assert_eq(regex_compile(&arena, l->name, false, &l->regex, why, sizeof(why)), 0);
    return l;
}

static struct location_set *build(struct location_conf **all, unsigned n)
{
    struct location_set *set = NULL;

    cr_assert_eq(location_set_build(&arena, all, n, &set, &error), 0, "%s", error.text);
    return set;
}

static const char *found(const struct location_set *set, const char *path)
{
    struct location_match m = {.location = NULL};

    location_set_find(set, sv_from(path), &m);
    return m.location != NULL ? m.location->name.p : "none";
}

Test(location_set, exact_then_longest_prefix_then_regex)
{
    struct location_conf *all[] = {
        make(LOC_PREFIX, "/"),          make(LOC_PREFIX, "/video/"),
        make(LOC_PREFIX_FINAL, "/raw/"), make(LOC_EXACT, "/video/"),
        make(LOC_REGEX, "\\.mp4$"),     make(LOC_REGEX, "\\.m"),
        make(LOC_PREFIX, "/video/hd/"), make(LOC_NAMED, "@far"),
    };
    struct location_set *set = build(all, array_len(all));
    struct location_match m = {.location = NULL};

    cr_assert_str_eq(found(set, "/a.txt"), "/");
    cr_assert_str_eq(found(set, "/video/a.txt"), "/video/");
    cr_assert_str_eq(found(set, "/video/hd/a.txt"), "/video/hd/");
    cr_assert_str_eq(found(set, "/video/hd"), "/video/");
    cr_assert_str_eq(found(set, "/video/hd/a.mp4"), "\\.mp4$");
    cr_assert_str_eq(found(set, "/a.m4s"), "\\.m");
    cr_assert_str_eq(found(set, "/raw/a.mp4"), "/raw/");
    location_set_find(set, SV("/video/"), &m);
    cr_assert(m.exact);
    cr_assert_eq(m.location, all[3]);
    cr_assert_eq(strmap_get(&set->named, SV("@far")), all[7]);
}

// A neighbour in sort order that is no prefix must not hide a shorter one that is.
Test(location_set, siblings_do_not_hide_a_common_prefix)
{
    struct location_conf *all[] = {
        make(LOC_PREFIX, "/a"), make(LOC_PREFIX, "/ab"), make(LOC_PREFIX, "/abc/x"),
        make(LOC_PREFIX, "/b"), make(LOC_PREFIX, "/abd"),
    };
    struct location_set *set = build(all, array_len(all));

    cr_assert_str_eq(found(set, "/abc/y"), "/ab");
    cr_assert_str_eq(found(set, "/ac"), "/a");
    cr_assert_str_eq(found(set, "/abda"), "/abd");
    cr_assert_str_eq(found(set, "/abe"), "/ab");
    cr_assert_str_eq(found(set, "/"), "none");
    cr_assert_str_eq(found(set, "/c"), "none");
}

Test(location_set, nested_regex_wins_over_outer_regex)
{
    struct location_conf *inner[] = {make(LOC_REGEX, "\\.jpg$"), make(LOC_PREFIX, "/img/deep/")};
    struct location_conf *all[] = {make(LOC_PREFIX, "/img/"), make(LOC_REGEX, "\\.(jpg|png)$")};

    all[0]->children = build(inner, 2);
    struct location_set *set = build(all, 2);
    cr_assert_str_eq(found(set, "/img/a.jpg"), "\\.jpg$");
    cr_assert_str_eq(found(set, "/img/a.png"), "\\.(jpg|png)$");
    cr_assert_str_eq(found(set, "/img/deep/a.txt"), "/img/deep/");
}

Test(location_set, captures_come_with_the_regex)
{
    struct location_conf *all[] = {make(LOC_PREFIX, "/"), make(LOC_REGEX, "^/(\\w+)/live$")};
    struct location_set *set = build(all, 2);
    struct location_match m = {.location = NULL};

    location_set_find(set, SV("/one/live"), &m);
    cr_assert_eq(m.m.count, 2);
    cr_assert_eq(m.m.at[1][0], 1);
    cr_assert_eq(m.m.at[1][1], 4);
}

Test(location_set, duplicates_are_refused_with_their_place)
{
    struct location_conf *prefixes[] = {make(LOC_PREFIX, "/a"), make(LOC_PREFIX_FINAL, "/a")};
    struct location_conf *exact[] = {make(LOC_EXACT, "/a"), make(LOC_EXACT, "/a")};
    struct location_conf *both[] = {make(LOC_EXACT, "/a"), make(LOC_PREFIX, "/a")};
    struct location_set *set;

    cr_assert_eq(location_set_build(&arena, prefixes, 2, &set, &error), -EINVAL);
    cr_assert_not_null(strstr(error.text, "duplicate location \"/a\" in t.conf:1"));
    cr_assert_eq(location_set_build(&arena, exact, 2, &set, &error), -EINVAL);
    cr_assert_eq(location_set_build(&arena, both, 2, &set, &error), 0);
}
