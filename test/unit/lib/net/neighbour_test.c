// SPDX-License-Identifier: Apache-2.0
//
// The table of MAC addresses, made up and read from this kernel.
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lib/net/neighbour.h"

static void put(struct neighbour_table *t, int link, const char *address, uint8_t last)
{
    struct neighbour n = {.link = link, .family = AF_INET6, .mac = {2, 0, 0, 0, 0, last}};

    if (inet_pton(AF_INET, address, n.address) == 1)
        n.family = AF_INET;
    else
        cr_assert_eq(inet_pton(AF_INET6, address, n.address), 1);
    cr_assert_eq(neighbour_add(t, &n), 0);
}

static int last_byte(const struct neighbour_table *t, int link, const char *address)
{
    uint8_t key[16] = {0};
    int family = inet_pton(AF_INET, address, key) == 1 ? AF_INET : AF_INET6;

    if (family == AF_INET6)
        inet_pton(AF_INET6, address, key);
    const struct neighbour *n = neighbour_find(t, link, family, key);
    return n == NULL ? -1 : n->mac[5];
}

Test(neighbour, found_by_interface_and_address)
{
    struct neighbour_table t = {0};
    char text[32];

    put(&t, 7, "fd09::2", 201);
    put(&t, 3, "10.0.0.1", 202);
    put(&t, 7, "10.0.0.1", 203);
    for (unsigned i = 2; i < 100; i++) {
        snprintf(text, sizeof(text), "10.0.0.%u", i);
        put(&t, 3, text, (uint8_t)i);
    }
    neighbour_sort(&t);
    cr_expect_eq(last_byte(&t, 7, "fd09::2"), 201);
    cr_expect_eq(last_byte(&t, 3, "10.0.0.1"), 202);
    cr_expect_eq(last_byte(&t, 7, "10.0.0.1"), 203);
    cr_expect_eq(last_byte(&t, 3, "10.0.0.57"), 57);
    cr_expect_eq(last_byte(&t, 3, "10.0.0.100"), -1);
    cr_expect_eq(last_byte(&t, 7, "10.0.0.57"), -1);
    cr_expect_eq(last_byte(&t, 3, "fd09::2"), -1);
    neighbour_free(&t);
    cr_expect_eq(last_byte(&t, 7, "fd09::2"), -1);
}

// What is there differs from machine to machine, but not its form.
Test(neighbour, kernel_gives_its_table)
{
    struct neighbour_table t;

    cr_assert_eq(neighbour_load(&t), 0);
    for (size_t i = 0; i < t.count; i++) {
        const struct neighbour *n = &t.at[i];
        cr_expect_gt(n->link, 0);
        cr_expect(n->family == AF_INET || n->family == AF_INET6);
        cr_expect_eq(neighbour_find(&t, n->link, n->family, n->address), n);
    }
    neighbour_free(&t);
    neighbour_free(&t);
}
