// SPDX-License-Identifier: Apache-2.0
//
// The copy of the routing tables, made up and read from this kernel.
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net/route.h"
#include "test/unit/support/address.h"

static void put(struct route_table *t, const char *prefix, unsigned bits, uint32_t metric, int link)
{
    struct route r = {.metric = metric, .nhops = 1, .hops[0].link = link};
    uint8_t bytes[16] = {0};
    bool four = inet_pton(AF_INET, prefix, bytes) == 1;

    if (!four)
        cr_assert_eq(inet_pton(AF_INET6, prefix, bytes), 1);
    route_set_prefix(&r, bytes, 16, bits);
    cr_assert_eq(route_add(four ? &t->v4 : &t->v6, &r), 0);
}

static int link_to(const struct route_table *t, const char *text)
{
    struct net_address a = address(text, 0);
    const struct route *r = route_find(t, &a);

    return r == NULL ? -1 : r->hops[0].link;
}

static struct route_table table;

static void setup(void)
{
    put(&table, "0.0.0.0", 0, 100, 2);
    put(&table, "0.0.0.0", 0, 50, 3);
    put(&table, "10.0.0.0", 8, 0, 4);
    put(&table, "10.9.0.0", 17, 0, 5);
    put(&table, "10.9.0.1", 32, 0, 0);
    put(&table, "2001:db8::", 32, 1024, 6);
    put(&table, "2001:db8:0:1::", 64, 1024, 7);
    put(&table, "2001:db8:0:1::", 65, 1024, 8);
    cr_assert_eq(route_sort(&table.v4), 0);
    cr_assert_eq(route_sort(&table.v6), 0);
}

static void teardown(void)
{
    route_free(&table);
}

TestSuite(route, .init = setup, .fini = teardown);

Test(route, longest_prefix_then_least_metric)
{
    cr_expect_eq(link_to(&table, "8.8.8.8"), 3);
    cr_expect_eq(link_to(&table, "10.200.0.1"), 4);
    cr_expect_eq(link_to(&table, "10.9.127.255"), 5);
    cr_expect_eq(link_to(&table, "10.9.128.0"), 4);
    cr_expect_eq(link_to(&table, "10.9.0.1"), 0);
    cr_expect_eq(link_to(&table, "::ffff:10.9.0.2"), 5);
    cr_expect_eq(link_to(&table, "2001:db8:ffff::1"), 6);
    cr_expect_eq(link_to(&table, "2001:db8:0:1:8000::1"), 7);
    cr_expect_eq(link_to(&table, "2001:db8:0:1:7fff::1"), 8);
    cr_expect_eq(link_to(&table, "2001:db9::1"), -1);
}

Test(route, equal_routes_are_hops_of_one)
{
    struct net_address a = address("2001:db8::9", 0);

    put(&table, "2001:db8::", 32, 1024, 9);
    cr_assert_eq(route_sort(&table.v6), 0);
    const struct route *r = route_find(&table, &a);
    cr_assert_not_null(r);
    cr_expect_eq(r->nhops, 2);
    cr_expect_eq(r->hops[0].link + r->hops[1].link, 6 + 9);
}

Test(route, more_hops_than_fit_are_said_to_be_more)
{
    struct net_address a = address("2001:db8::9", 0);

    for (int i = 0; i < ROUTE_HOPS_MAX; i++)
        put(&table, "2001:db8::", 32, 1024, 20 + i);
    cr_assert_eq(route_sort(&table.v6), 0);
    const struct route *r = route_find(&table, &a);
    cr_assert_not_null(r);
    cr_expect(r->more);
    cr_expect_eq(r->nhops, ROUTE_HOPS_MAX);
    cr_expect_not(route_must_ask(&table, &a), "others are not concerned");
}

Test(route, own_addresses_come_before_an_equal_route)
{
    struct route own = {.local = true, .nhops = 1};
    struct in_addr in;

    inet_pton(AF_INET, "10.9.0.0", &in);
    route_set_prefix(&own, &in, 4, 17);
    cr_assert_eq(route_add(&table.v4, &own), 0);
    cr_assert_eq(route_sort(&table.v4), 0);
    cr_expect_eq(link_to(&table, "10.9.0.77"), 0);
}

// Of whatever this machine has: its loopback is local, and the copy agrees with the kernel.
Test(route, kernel_gives_its_tables)
{
    struct net_address lo = address("127.0.0.1", 0), far = address("192.0.2.1", 0);
    struct route_table t;
    struct route_hop hop;

    cr_assert_eq(route_load(&t), 0);
    if (!route_must_ask(&t, &lo)) {
        cr_assert_not_null(route_find(&t, &lo));
        cr_expect_eq(route_find(&t, &lo)->hops[0].link, 0);
        const struct route *r = route_find(&t, &far);
        struct net_address any = address("0.0.0.0", 0);
        int rc = route_ask(&any, &far, &hop);
        cr_expect_eq(rc == 0 && hop.link != 0, r != NULL && r->hops[0].link != 0);
        if (rc == 0 && r != NULL && r->nhops == 1)
            cr_expect_eq(hop.link, r->hops[0].link);
    }
    cr_expect_eq(route_ask(&lo, &lo, &hop), 0);
    cr_expect_eq(hop.link, 0);
    route_free(&t);
    route_free(&t);
}
