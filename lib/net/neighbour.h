// SPDX-License-Identifier: Apache-2.0
//
// MAC addresses of the hosts and routers that this machine sends to: the kernel's neighbour tables
// as they were at one moment (rtnetlink(7), RTM_GETNEIGH). Asking takes the lock that changes of
// interfaces hold too, so it may wait: not for a worker.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/compiler.h"
#include "lib/net/address.h"

struct neighbour {
    int link;            // ifindex
    int family;          // AF_INET or AF_INET6
    uint8_t address[16]; // IPv4 in the first four bytes, the rest zero
    uint8_t mac[6];
};

struct neighbour_table {
    struct neighbour *at; // in order, for neighbour_find()
    size_t count, room;
};

// Those with a MAC address that is in use or was. 0 or -errno; the table is empty then.
must_check int neighbour_load(struct neighbour_table *t);
void neighbour_free(struct neighbour_table *t); // zeroed is allowed

// For tables that are made up: add, then sort. 0 or -ENOMEM.
must_check int neighbour_add(struct neighbour_table *t, const struct neighbour *n);
void neighbour_sort(struct neighbour_table *t);

// `address` as in struct neighbour. NULL: not known.
const struct neighbour *neighbour_find(const struct neighbour_table *t, int link, int family,
                                       const uint8_t address[16]);
