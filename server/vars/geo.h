// SPDX-License-Identifier: Apache-2.0
//
// `geo`: a variable whose value is looked up by an address. That is the client's or what another
// variable says; where it is a trusted proxy's, X-Forwarded-For tells the one to look up. What has
// no address (Unix sockets, words that are none) counts as 255.255.255.255.
#pragma once

#include <sys/socket.h>

#include "lib/conf/template.h"
#include "server/vars/geo_table.h"

struct geo_proxy {
    struct net_prefix prefix;
    struct geo_proxy *next;
};

// Configuration arena.
struct geo {
    const struct var *source;    // NULL: the client's address
    bool by_ranges, is_volatile;
    bool proxy_recursive;        // trusted addresses in X-Forwarded-For are passed over, too
    struct geo_networks networks;
    struct geo_ranges ranges;
    const struct sv *fallback;   // of ranges; NULL: the empty string
    struct geo_proxy *proxies;   // the trusted ones
};

// Dotted decimal, to host order. Zeros may lead, as tables often have them, and don't make it
// octal.
must_check int geo_parse_ipv4(struct sv text, uint32_t *address);

// The value for an address, NULL for the empty string. An IPv4-mapped IPv6 address is the IPv4
// address. Pure.
const struct sv *geo_find(const struct geo *g, const struct sockaddr *address);

// var_get_fn with a struct geo in v->data and a request as ctx.
bool geo_get(void *ctx, const struct var *v, struct sv *out);
