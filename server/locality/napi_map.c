// SPDX-License-Identifier: Apache-2.0
#include "server/locality/napi_map.h"

#include <stddef.h>

#define PROBES 16
#define ANSWER_OF(node) ((node) + 3)
#define NODE_OF(answer) ((answer) - 3)
#define VOTES_MAX (1u << 20) // then all are halved: an interface may have moved

// The id's slot, a new one if need be; NULL when there is no room near its place.
static struct napi_slot *slot_of(struct napi_map *map, uint32_t id, bool *fresh)
{
    *fresh = false;
    for (uint32_t i = 0; i < PROBES; i++) {
        struct napi_slot *s = &map->slots[(id * 2654435761u + i) % NAPI_MAP_SIZE];
        uint32_t found = atomic_load_explicit(&s->id, memory_order_acquire);

        if (found == 0 && atomic_compare_exchange_strong(&s->id, &found, id)) {
            *fresh = true;
            atomic_store(&map->waiting, true);
            return s;
        }
        if (found == id)
            return s;
    }
    return NULL;
}

static void vote(struct napi_slot *s, int node)
{
    if (node < 0 || node >= NAPI_MAP_NODES)
        return;
    uint32_t n = atomic_fetch_add_explicit(&s->votes[node], 1, memory_order_relaxed);
    if (n < VOTES_MAX)
        return;
    for (unsigned i = 0; i < NAPI_MAP_NODES; i++) {
        uint32_t old = atomic_load_explicit(&s->votes[i], memory_order_relaxed);
        atomic_store_explicit(&s->votes[i], old / 2, memory_order_relaxed);
    }
}

static int majority(struct napi_slot *s)
{
    uint32_t most = 0;
    int node = NAPI_UNKNOWN;

    for (int i = 0; i < NAPI_MAP_NODES; i++) {
        uint32_t n = atomic_load_explicit(&s->votes[i], memory_order_relaxed);

        if (n > most) {
            most = n;
            node = i;
        }
    }
    return node;
}

int napi_map_node(struct napi_map *map, uint32_t id, int cpu_node, bool *ask)
{
    struct napi_slot *s = id != 0 ? slot_of(map, id, ask) : NULL;

    if (s == NULL) {
        *ask = false;
        return cpu_node;
    }
    int node = NODE_OF(atomic_load_explicit(&s->answer, memory_order_acquire));
    if (node >= 0)
        return node;
    vote(s, cpu_node);
    node = majority(s);
    return node != NAPI_UNKNOWN ? node : cpu_node;
}

void napi_map_set(struct napi_map *map, uint32_t id, int node)
{
    bool fresh;
    struct napi_slot *s = id != 0 ? slot_of(map, id, &fresh) : NULL;

    if (s != NULL)
        atomic_store_explicit(&s->answer, ANSWER_OF(node), memory_order_release);
}

void napi_map_answer(struct napi_map *map, int (*ask)(uint32_t id, void *ctx), void *ctx)
{
    if (!atomic_exchange(&map->waiting, false))
        return;
    for (uint32_t i = 0; i < NAPI_MAP_SIZE; i++) {
        struct napi_slot *s = &map->slots[i];
        uint32_t id = atomic_load_explicit(&s->id, memory_order_acquire);

        if (id != 0 && atomic_load_explicit(&s->answer, memory_order_acquire) == 0)
            atomic_store_explicit(&s->answer, ANSWER_OF(ask(id, ctx)), memory_order_release);
    }
}

void napi_map_forget(struct napi_map *map)
{
    for (uint32_t i = 0; i < NAPI_MAP_SIZE; i++) {
        struct napi_slot *s = &map->slots[i];

        if (atomic_load_explicit(&s->id, memory_order_acquire) == 0)
            continue;
        for (unsigned v = 0; v < NAPI_MAP_NODES; v++)
            atomic_store_explicit(&s->votes[v], 0, memory_order_relaxed);
        atomic_store_explicit(&s->answer, 0, memory_order_release);
    }
    atomic_store(&map->waiting, true);
}
