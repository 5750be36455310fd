// SPDX-License-Identifier: Apache-2.0
//
// From NAPI ids to nodes, for all workers of a silo. What the ids mean is asked of the kernel
// before connections come, and of one that is new, on another thread. Until that has answered, and
// on kernels that cannot be asked, the node is learned: a queue's interrupts are mostly handled on
// the node of its interface, so the node of the CPUs that its packets were processed on is believed
// by majority.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define NAPI_MAP_SIZE 4096 // queues of all interfaces, a power of two
#define NAPI_MAP_NODES 16  // nodes from here on are not learned

struct napi_slot {
    _Atomic uint32_t id;                    // 0: free
    _Atomic int32_t answer;                 // 0: nobody has asked yet; else the node, plus 3
    _Atomic uint32_t votes[NAPI_MAP_NODES]; // of CPUs, by node
};

#define NAPI_LEARN (-2)   // the kernel cannot tell
#define NAPI_UNKNOWN (-1) // the interface has no node

struct napi_map {
    _Atomic bool waiting; // some id waits for an answer
    struct napi_slot slots[NAPI_MAP_SIZE];
};

// The node of a connection's queue, and a vote: it was processed on a CPU of `cpu_node` (-1:
// unknown). *ask: the id is new, and the other thread should be woken. -1: nothing is known. Any
// thread.
int napi_map_node(struct napi_map *map, uint32_t id, int cpu_node, bool *ask);

// The kernel has said of an id, unasked, that its node is this or NAPI_UNKNOWN.
void napi_map_set(struct napi_map *map, uint32_t id, int node);
// For the other thread: calls `ask` for each id that waits for an answer, which is a node,
// NAPI_UNKNOWN or NAPI_LEARN.
void napi_map_answer(struct napi_map *map, int (*ask)(uint32_t id, void *ctx), void *ctx);
// Interfaces changed: every id is to be asked anew.
void napi_map_forget(struct napi_map *map);
