// SPDX-License-Identifier: Apache-2.0
//
// Which interface and next hop a packet leaves by: a copy of the kernel's routing tables to look
// addresses up in without a system call (rtnetlink(7), RTM_GETROUTE), and the kernel's own answer
// where a copy would not do: policy rules, source routes, tables too large to copy.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/compiler.h"
#include "lib/net/address.h"

#define ROUTE_HOPS_MAX 8 // of one multipath route
#define ROUTES_MAX 1024  // of one family: with more, the kernel is asked each time

struct route_hop {
    int link;            // ifindex; 0: nothing leaves (this machine's own address, unreachable)
    int family;          // of the gateway: AF_INET, AF_INET6; 0: the target is on the link
    uint8_t gateway[16]; // IPv4 in the first four bytes, the rest zero
};

// As in memory, IPv4 in the first four bytes.
struct route_key {
    uint64_t prefix[2], mask[2];
};

struct route {
    struct route_key key;
    unsigned bits;
    uint32_t metric;
    bool local; // of the table of own addresses, which comes first
    bool more;  // there are more hops than fit
    unsigned nhops;
    struct route_hop hops[ROUTE_HOPS_MAX];
};

struct route_list {
    struct route *at;       // in order of preference
    struct route_key *keys; // of the same, close together for the search; made by route_sort()
    size_t count, room;
    bool ask; // not to be answered from here: route_ask()
};

struct route_table {
    struct route_list v4, v6;
};

// 0 or -errno; the table is empty then.
must_check int route_load(struct route_table *t);
void route_free(struct route_table *t); // zeroed is allowed

// For tables that are made up: add, then sort (once). 0 or -ENOMEM.
must_check int route_add(struct route_list *l, const struct route *r);
must_check int route_sort(struct route_list *l);
void route_set_prefix(struct route *r, const void *address, unsigned length, unsigned bits);

// The route to a remote address; NULL: none, also when the list says `ask`. With several hops the
// kernel chooses one for each connection by a hash of its own, which route_ask() tells.
const struct route *route_find(const struct route_table *t, const struct net_address *remote);
bool route_must_ask(const struct route_table *t, const struct net_address *remote);

// The kernel's answer for a TCP connection; some microseconds, waits for nobody. 0 or -errno
// (-ENETUNREACH and the like: no route).
must_check int route_ask(const struct net_address *local, const struct net_address *remote,
                         struct route_hop *hop);
