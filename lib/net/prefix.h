// SPDX-License-Identifier: Apache-2.0
//
// Address prefixes (CIDR) as `allow` and `deny` use them. Pure.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>

#include "lib/base/compiler.h"
#include "lib/base/sv.h"

struct net_prefix {
    int family;               // AF_INET or AF_INET6
    unsigned bits;            // 0-32 or 0-128
    unsigned char bytes[16];  // network order, masked
};

// "192.168.1.0/24", "2001:db8::/32", or an address alone. -EINVAL for anything else.
// *host_bits (may be NULL) says that bits beyond the prefix were set and dropped.
must_check int net_prefix_parse(struct sv text, struct net_prefix *out, bool *host_bits);
// An IPv4-mapped IPv6 address matches IPv4 prefixes.
bool net_prefix_has(const struct net_prefix *p, const struct sockaddr *address);
