// SPDX-License-Identifier: Apache-2.0
#include "server/config/name_table.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct arena arena;
static struct name_table table;

static struct server_conf *add(const char *name)
{
    struct server_conf *s = arena_new(&arena, struct server_conf);
    struct server_name *n = arena_new(&arena, struct server_name);
    char why[256];

    n->name = sv_from(name);
    n->server = s;
    if (name[0] == '~')
        cr_assert_eq(
            regex_compile(&arena, sv_from(name + 1), true, &n->regex, why, sizeof(why)), 0);
    cr_assert_eq(name_table_add(&table, n, "0.0.0.0:80"), 0);
    return s;
}

static struct server_conf *find(const char *host)
{
    return name_table_find(&table, sv_from(host), NULL, NULL);
}

static void init(void)
{
    cr_assert_eq(name_table_init(&table, &arena, 16), 0);
    table.fallback = arena_new(&arena, struct server_conf);
}

Test(name_table, order_is_exact_head_tail_regex_default, .init = init)
{
    struct server_conf *regex = add("~^www\\d*\\.example\\.org$");
    struct server_conf *tail = add("www.example.*");
    struct server_conf *head = add("*.example.org");
    struct server_conf *exact = add("www.example.org");

    cr_assert_eq(find("www.example.org"), exact);
    cr_assert_eq(find("www2.example.org"), head);
    cr_assert_eq(find("www.example.net"), tail);
    cr_assert_eq(find("a.b.example.org"), head);
    cr_assert_eq(find("example.org"), table.fallback);
    cr_assert_eq(find(""), table.fallback);
    cr_assert_neq(find("www7.example.org"), regex);
}

Test(name_table, longest_wildcard_wins, .init = init)
{
    struct server_conf *shorter = add("*.example.org"), *longer = add("*.live.example.org");
    struct server_conf *tail = add("a.*"), *longer_tail = add("a.b.*");

    cr_assert_eq(find("x.live.example.org"), longer);
    cr_assert_eq(find("live.example.org"), shorter);
    cr_assert_eq(find("a.c"), tail);
    cr_assert_eq(find("a.b.c"), longer_tail);
}

Test(name_table, a_leading_dot_is_the_name_and_all_below_it, .init = init)
{
    struct server_conf *s = add(".example.org");

    cr_assert_eq(find("example.org"), s);
    cr_assert_eq(find("x.example.org"), s);
    cr_assert_eq(find("xexample.org"), table.fallback);
}

Test(name_table, an_empty_name_takes_requests_without_host, .init = init)
{
    struct server_conf *s = add("");

    cr_assert_eq(find(""), s);
}

Test(name_table, the_first_of_two_equal_names_stays, .init = init)
{
    struct server_conf *first = add("a.example");

    add("a.example");
    cr_assert_eq(find("a.example"), first);
}
