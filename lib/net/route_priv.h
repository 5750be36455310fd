// SPDX-License-Identifier: Apache-2.0
//
// What reading the routing tables and asking for one route share.
#pragma once

#include <stdint.h>

#include "lib/net/route.h"
#include "lib/net/rtnl.h"

// A next hop from its attributes (RTA_GATEWAY, RTA_VIA) and the family of its route.
void route_read_hop(const struct rtattr *const at[RTA_VIA + 1], uint32_t link, int family,
                    struct route_hop *hop);
