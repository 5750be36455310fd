// SPDX-License-Identifier: Apache-2.0
//
// The tables behind `geo`: networks of which the longest that fits counts, and ranges of IPv4
// addresses. Made once at load, in any order of lines, and then only searched. Pure.
#pragma once

#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/sv.h"
#include "lib/net/prefix.h"

// Values are borrowed: they must live as long as a table.

struct geo_node;

// Path-compressed tries. Zero-initialised is empty and valid.
struct geo_networks {
    struct geo_node *four, *six; // configuration arena
};

// *old is the value that was replaced, NULL when the network is new. 0 or -ENOMEM.
must_check int geo_networks_put(struct geo_networks *t, struct arena *a, const struct net_prefix *p,
                                const struct sv *value, const struct sv **old);
// False when exactly this network is not there.
bool geo_networks_delete(struct geo_networks *t, const struct net_prefix *p);
// `address` has 4 or 16 bytes in network order, as the family has. NULL when no network has it.
const struct sv *geo_networks_find(const struct geo_networks *t, int family,
                                   const unsigned char *address);

struct geo_range {
    uint32_t first, last; // addresses in host order, both within
    const struct sv *value;
};

// Sorted, apart from each other. Zero-initialised is empty and valid.
struct geo_ranges {
    struct geo_range *at; // configuration arena
    uint32_t count;
};

// Ranges while they are read. As in nginx, a range is cut at the borders of /16 networks, and what
// may be added or deleted is decided for each piece alone.
struct geo_pieces;

struct geo_pieces *geo_pieces_new(void); // heap; NULL when memory is out
void geo_pieces_free(struct geo_pieces *b);
// A range within another takes its place there. 0; -EEXIST: a piece was there before and has the
// new value now, *clash is what it was; -EINVAL: it overlaps *clash; -ENOMEM.
must_check int geo_pieces_put(struct geo_pieces *b, const struct geo_range *range,
                              struct geo_range *clash);
// False when there was nothing to delete for one of the pieces, or just a part of a larger one.
bool geo_pieces_delete(struct geo_pieces *b, uint32_t first, uint32_t last);
// Neighbours of one value become one range. 0 or -ENOMEM.
must_check int geo_pieces_join(const struct geo_pieces *b, struct arena *a, struct geo_ranges *out);

// NULL when it is in no range.
const struct sv *geo_ranges_find(const struct geo_ranges *t, uint32_t address);
