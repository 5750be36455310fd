// SPDX-License-Identifier: Apache-2.0
//
// A table of keys in shared memory: what a limit zone remembers of its clients. It knows no
// request and no configuration.
//
// The memory is a header, a hash of bucket heads, and equal blocks. A key takes one block, and more
// of them where it is long, so that memory never falls to pieces. Blocks are named by their number:
// 0 is none. A process may be killed anywhere in here: whoever locks next puts the table together
// again from the blocks whose state says that they are whole.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/sv.h"

#define LIMIT_BLOCK 64     // bytes
#define LIMIT_NODE_KEY 24  // bytes of a key in its first block
#define LIMIT_MORE_KEY 56  // in each further one

enum limit_block_state {
    LIMIT_BLOCK_FREE,
    LIMIT_BLOCK_NODE,   // a key's first block, linked or about to be
    LIMIT_BLOCK_MORE,   // the rest of a key
    LIMIT_BLOCK_LOST,   // only while a table is put together again
};

// What is remembered of a key.
union limit_value {
    struct {
        int64_t excess;   // thousandths of a request
        uint64_t last_ms; // CLOCK_MONOTONIC
    } rate;
    struct {
        int32_t owner;    // the silo's process that holds them
        uint32_t count;   // connections
    } conns;
};

struct limit_node {
    uint16_t state;                // enum limit_block_state
    uint16_t key_len;
    uint32_t more;                 // block with the next part of the key
    union {
        struct {
            uint32_t next;         // in its bucket, or in the list of free blocks
            uint32_t hash;
            uint32_t newer, older; // order of use
            union limit_value value;
            char key[LIMIT_NODE_KEY];
        };
        char rest[LIMIT_MORE_KEY]; // in LIMIT_BLOCK_MORE
    };
};

struct limit_table {
    pthread_mutex_t lock;  // shared between processes, robust
    uint32_t blocks;       // block 0 included, which is never used
    uint32_t bucket_mask;
    uint32_t used;         // blocks
    uint32_t free;         // first free block
    uint32_t newest, oldest;
    uint32_t first_block;  // offset of block 0 in bytes
    uint32_t repairs;      // times that a holder of the lock had died
    uint32_t bucket[];
};

// Lays an empty table over `size` bytes (at least 8 pages) of zeroed, page-aligned memory.
void limit_table_init(struct limit_table *t, size_t size);

// Everything below needs the lock. Nothing that blocks, logs or allocates may be done under it.
void limit_table_lock(struct limit_table *t);
void limit_table_unlock(struct limit_table *t);

// The same in all processes that were forked after the table was made.
uint32_t limit_hash(struct sv key);

// The first node with that key, or, when `after` is not NULL, the next one behind it: a key may be
// there more than once. NULL when there is none.
struct limit_node *limit_table_find(struct limit_table *t, uint32_t hash, struct sv key,
                                    const struct limit_node *after);
// A new node, the newest. Keys are at most 65535 bytes. NULL when there are not enough free blocks.
struct limit_node *limit_table_add(struct limit_table *t, uint32_t hash, struct sv key,
                                   const union limit_value *value);
void limit_table_remove(struct limit_table *t, struct limit_node *n);
// Makes it the newest.
void limit_table_touch(struct limit_table *t, struct limit_node *n);

struct limit_node *limit_table_oldest(struct limit_table *t); // NULL when the table is empty
// The node of a block number, or NULL when that block is not the first of a key.
struct limit_node *limit_table_at(struct limit_table *t, uint32_t number);
uint32_t limit_table_number(const struct limit_table *t, const struct limit_node *n);
