// SPDX-License-Identifier: Apache-2.0
//
// Linear probing without gravestones: what follows a removed cell moves up. A reader may miss what
// moves while it looks, which costs it a copy that was there, and nothing else.
#include <errno.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/file/replica_priv.h"

static uint64_t load(const struct replica_index *x, uint32_t at)
{
    return atomic_load_explicit(&x->cells[at & x->mask], memory_order_acquire);
}

static void store(struct replica_index *x, uint32_t at, uint64_t cell)
{
    atomic_store_explicit(&x->cells[at & x->mask], cell, memory_order_release);
}

static uint64_t cell_of(uint64_t hash, uint32_t slot)
{
    return (hash & ~(uint64_t)UINT32_MAX) | (slot + 1);
}

// The upper half of the hash, which is in the cell, says where the cell would like to be.
static uint32_t home(const struct replica_index *x, uint64_t cell)
{
    return (uint32_t)(cell >> 32) & x->mask;
}

int replica_index_make(struct replica_index *x, uint32_t slots)
{
    uint32_t size = 8;

    while (size < slots * 2)
        size *= 2;
    x->mask = size - 1;
    x->cells = calloc(size, sizeof(x->cells[0]));
    return x->cells != NULL ? 0 : -ENOMEM;
}

void replica_index_free(struct replica_index *x)
{
    free(x->cells);
}

void replica_index_put(struct replica_index *x, uint64_t hash, uint32_t slot)
{
    uint64_t cell = cell_of(hash, slot);
    uint32_t at = home(x, cell);

    while (load(x, at) != 0)
        at++;
    store(x, at, cell);
}

void replica_index_remove(struct replica_index *x, uint64_t hash, uint32_t slot)
{
    uint64_t cell = cell_of(hash, slot);
    uint32_t hole = home(x, cell);

    while (load(x, hole) != cell) {
        check(load(x, hole) != 0);
        hole++;
    }
    for (uint32_t at = hole + 1;; at++) {
        uint64_t next = load(x, at);
        if (next == 0)
            break;
        // A cell may move up to the hole unless its home lies behind that.
        if (((at - home(x, next)) & x->mask) < ((at - hole) & x->mask))
            continue;
        store(x, hole, next);
        hole = at;
    }
    store(x, hole, 0);
}

uint32_t replica_index_next(const struct replica_index *x, uint64_t hash, uint32_t *at)
{
    while (*at <= x->mask) {
        uint64_t cell = load(x, home(x, hash) + (*at)++);
        if (cell == 0)
            return REPLICA_INDEX_END;
        if (cell >> 32 == hash >> 32)
            return (uint32_t)cell - 1;
    }
    return REPLICA_INDEX_END;
}
