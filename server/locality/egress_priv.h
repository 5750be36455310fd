// SPDX-License-Identifier: Apache-2.0
//
// What a snapshot is made of, for the files of egress and for tests that make routes and MAC
// addresses up.
#pragma once

#include <stdatomic.h>
#include <stddef.h>

#include "lib/net/neighbour.h"
#include "lib/net/route.h"
#include "lib/topo/machine.h"
#include "server/locality/egress.h"

#define EGRESS_PATHS_DIRECT 256

struct egress_member {
    struct egress_answer answer;
    uint32_t mark;
};

// How frames go on below an interface that has addresses.
struct egress_path {
    int link;      // that interface; paths are in this order
    int bottom;    // the physical interface or bond that they come to; 0: another kind
    int policy;    // of the bond, when the member is chosen by hash
    bool hashed;
    bool marks;    // a bond that takes marks
    bool tagged;   // an inner VLAN tag is in the frame
    uint16_t vlan; // the tag beside it
    uint8_t mac[6];
    unsigned count; // members that transmit; 0: nothing can be said
    struct egress_member members[MACHINE_MEMBERS_MAX];
};

struct egress {
    struct egress_path *paths;
    size_t npaths;
    // Where the paths of small ifindexes are, plus one; the others are searched for.
    uint16_t path_at[EGRESS_PATHS_DIRECT];
    struct route_table routes;
    struct neighbour_table neighbours;
    atomic_bool stale; // the one thing that readers write
};

// With routes and neighbours that are made up and sorted; they become the snapshot's, also on
// failure. 0 or -errno.
must_check int egress_make_with(const struct machine *m, struct route_table *routes,
                                struct neighbour_table *neighbours, struct egress **out);

// Fills in the paths, one per interface. 0 or -ENOMEM.
must_check int egress_paths_make(struct egress *e, const struct machine *m);
const struct egress_path *egress_path_find(const struct egress *e, int link);
