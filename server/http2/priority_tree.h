// SPDX-License-Identifier: Apache-2.0
//
// The dependency tree of RFC 7540, 5.3, as nginx reads it: what a PRIORITY frame or the priority of
// a HEADERS frame says of a stream, and where that puts it. RFC 9113 has withdrawn it, but clients
// still speak it. A connection has a tree only once something but the default was said. Pure:
// knows numbers of streams, no streams.
//
// A stream that is not open may have a place, too: one that is still to come, or one that is over
// and that others depend on. Of these the last TREE_KEPT spoken of are known (nginx's number), so
// that the tree has as many nodes as there are streams, and those.
//
// Cost: a change is O(depth) for RFC 7540's question of loops, and O(children) where a stream takes
// over all of another's; no place is stored, so nothing below has to follow. Asking for a place is
// O(depth), up to TREE_DEPTH_MAX.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/compiler.h"

#define TREE_KEPT 32
#define TREE_DEPTH_MAX 255 // what is deeper stands beside it

#define PRIORITY_WEIGHT_DEFAULT 16

struct priority_tree;
struct priority_node;

// What the client says of a stream.
struct priority_wish {
    int32_t depends; // on that stream; 0: on none. One that is not known counts as none
    uint16_t weight; // 1 to 256
    bool exclusive;  // what depended on that stream depends on this one
};

struct priority_place {
    uint16_t depth; // 1 and more
    double share;   // the product of the weights on the way, each as a part of 256
};

// NULL when memory is out.
must_check struct priority_tree *priority_tree_new(void);
// NULL is no tree.
void priority_tree_free(struct priority_tree *t);

// The stream is open: its node stays until priority_tree_close. It is where it was wished before,
// or has the default place. NULL when memory is out, which priority_tree_place takes for that, too.
struct priority_node *priority_tree_open(struct priority_tree *t, int32_t id);
// The stream is over; its node may be gone. NULL is no node. True when other places have changed
// with that.
bool priority_tree_close(struct priority_tree *t, struct priority_node *n);

// A stream that depends on itself is passed over; nghttp2 has ended the connection by then. So is
// one for which there is no memory.
void priority_tree_set(struct priority_tree *t, int32_t id, const struct priority_wish *w);

struct priority_place priority_tree_place(const struct priority_node *n);

// For tests: nodes in all, and those of streams that are not open.
unsigned priority_tree_nodes(const struct priority_tree *t);
unsigned priority_tree_kept(const struct priority_tree *t);
