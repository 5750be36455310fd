// SPDX-License-Identifier: Apache-2.0
//
// Arena: allocations that live and die together. There are three lifetimes in the program:
// configuration (one arena for each load), connection and request; an owning field says which.
//
// Not thread-safe. Chunks of the default size come from and go back to a pool, so that a request
// served from a warm pool allocates nothing from the heap.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/sv.h"

#define ARENA_CHUNK 4096 // bytes, header included

struct arena_chunk;

// Chunks not in use, owned by one thread. Zero-initialised is empty and valid.
struct arena_pool {
    struct arena_chunk *free;
    unsigned count;
    unsigned keep; // chunks kept at most; further ones go back to the heap
};

struct arena {
    struct arena_pool *pool;   // borrowed; may be NULL: chunks then come from the heap
    struct arena_chunk *chunk; // the newest, first of a list
    size_t used, size;         // bytes in the newest chunk
};

// Empty; takes nothing from the heap yet. `pool` (may be NULL) must outlive the arena.
void arena_init(struct arena *a, struct arena_pool *pool);

// Gives back every chunk, and with them all that was allocated. The arena is empty and usable
// again.
void arena_reset(struct arena *a);

// Frees the chunks a pool keeps. Arenas that use it may go on; it fills again.
void arena_pool_drain(struct arena_pool *pool);

// Does it point to what was allocated?
bool arena_owns(const struct arena *a, const void *p);

// `n` bytes, 16-byte aligned; NULL when memory is out. Any size is allowed. Valid until
// arena_reset(); there is no freeing of one alone. arena_zalloc() clears them.
void *arena_alloc(struct arena *a, size_t n);
void *arena_zalloc(struct arena *a, size_t n);

// Terminated copies in the arena; NULL (or a view with p == NULL) when memory is out. The length of
// a view does not count the terminator. arena_printf() is printf(3)'s format.
char *arena_strndup(struct arena *a, const char *p, size_t n);
struct sv arena_sv(struct arena *a, struct sv s);
struct sv arena_printf(struct arena *a, const char *fmt, ...) printf_like(2, 3);

// Zeroed and of that type; NULL when memory is out. `count` is the caller's to bound: the product
// with the size of the type must fit.
#define arena_new(a, type) ((type *)arena_zalloc((a), sizeof(type)))
#define arena_array(a, type, count) ((type *)arena_zalloc((a), sizeof(type) * (count)))
