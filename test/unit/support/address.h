// SPDX-License-Identifier: Apache-2.0
//
// Addresses that tests write as text.
#pragma once

#include <arpa/inet.h>
#include <criterion/criterion.h>

#include "lib/net/address.h"

static inline struct net_address address(const char *text, uint16_t port)
{
    struct net_address a = {0};

    if (inet_pton(AF_INET, text, &a.in.sin_addr) == 1) {
        a.in.sin_family = AF_INET;
        a.in.sin_port = htons(port);
        a.len = sizeof(a.in);
    } else {
        cr_assert_eq(inet_pton(AF_INET6, text, &a.in6.sin6_addr), 1, "%s", text);
        a.in6.sin6_family = AF_INET6;
        a.in6.sin6_port = htons(port);
        a.len = sizeof(a.in6);
    }
    return a;
}
