// SPDX-License-Identifier: Apache-2.0
//
// What the files of the replica store say to each other. Slots, the index of them, the memory that
// they stand for, and the queue of orders from workers to the background thread.
//
// Who writes what: the background thread alone makes and unmakes slots and changes the index.
// Workers pin slots and may take them out of service, both in the slot's `state`.
#pragma once

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>

#include "lib/file/replica.h"

struct frequency;

// ---- Memory: a memfd, as so many chunks.

struct replica_memory {
    int fd;
    int meminfo; // the node's, in sysfs; -1: none
    size_t page;
};

must_check int replica_memory_open(struct replica_memory *m, int node, uint32_t slots);
void replica_memory_close(struct replica_memory *m);
// Fills a slot, which holds nothing, from a file. 0, -ENOMEM: the node has no memory to spare,
// -ENODATA: the file ends before, or another -errno; the slot is to be emptied then.
must_check int replica_memory_fill(const struct replica_memory *m, uint32_t slot, int fd,
                                   uint64_t off, uint32_t len);
// The slot holds nothing afterwards; pages that are in a socket's queue stay what they are. False:
// the kernel would not, and the slot must never be filled again, for that would write into them.
bool replica_memory_empty(const struct replica_memory *m, uint32_t slot);

// ---- Slots.

#define REPLICA_LIVE (1u << 31) // in service; the bits below count pins

struct replica_slot {
    // The rest is written by the background thread while this is 0, and read by those who hold a
    // pin.
    alignas(128) _Atomic uint32_t state;
    uint32_t len; // bytes in use
    uint64_t hash;
    uint64_t chunk; // of the file
    struct replica_file file;
    bool used; // background thread's: in the index
};

// Adds a pin if the slot is in service.
bool replica_pin(struct replica_slot *slot);
void replica_unpin(struct replica_slot *slot);
// Takes the slot out of service whoever holds it: true if it was in service until now.
bool replica_kill(struct replica_slot *slot);

// ---- Index: from the hash of a chunk to slots, by linear probing. One thread changes it. What is
// looked up meanwhile may be missed, and is proved by the slot that it leads to.

struct replica_index {
    _Atomic uint64_t *cells; // upper half of the hash, and slot + 1; 0: free
    uint32_t mask;           // at least twice as many cells as slots
};

#define REPLICA_INDEX_END UINT32_MAX

must_check int replica_index_make(struct replica_index *x, uint32_t slots);
void replica_index_free(struct replica_index *x);
void replica_index_put(struct replica_index *x, uint64_t hash, uint32_t slot);
void replica_index_remove(struct replica_index *x, uint64_t hash, uint32_t slot);
// The next slot that may have this hash, or REPLICA_INDEX_END. *at starts as 0.
uint32_t replica_index_next(const struct replica_index *x, uint64_t hash, uint32_t *at);

// ---- Orders.

#define REPLICA_QUEUE 64

struct replica_order {
    struct replica_file file;
    uint64_t hash, chunk;
    int fd; // owned; -1: drop copies of the file that are not of this identity
};

struct replica_queue {
    pthread_mutex_t lock; // workers never wait for it, and nobody calls the kernel under it
    unsigned first;
    _Atomic unsigned count; // changed under the lock
    struct replica_order orders[REPLICA_QUEUE];
    int event; // eventfd
};

must_check int replica_queue_open(struct replica_queue *q);
void replica_queue_close(struct replica_queue *q);
bool replica_queue_has_room(const struct replica_queue *q); // by the look of it
bool replica_queue_push(struct replica_queue *q, const struct replica_order *o); // false: no room
bool replica_queue_pop(struct replica_queue *q, struct replica_order *o);

// ---- The store.

#define REPLICA_QUIET 4096 // a power of two

enum replica_count {
    COUNT_ADMITTED, COUNT_REFUSED, COUNT_LOCAL, COUNT_FAILED, COUNT_LOST, COUNT_EVICTED,
    COUNT_STALE, COUNT_HELD, COUNTS
};

struct replica_store {
    struct replica_plan plan;
    uint32_t nslots;
    struct replica_slot *slots;
    struct replica_index index;
    struct replica_memory memory;
    struct replica_queue queue;
    struct frequency *frequency;
    _Atomic uint64_t bar;  // what lost against its victim: frequency, and the ms until when it does
    _Atomic uint32_t dead; // slots taken out of service that are still in the index
    // Chunks that need not be ordered for a while: half of the hash, and the second until when.
    _Atomic uint64_t quiet[REPLICA_QUIET];
    _Atomic uint64_t counts[COUNTS];
    // Background thread's:
    uint32_t *free; // slots that hold nothing
    uint32_t nfree;
    uint32_t hand;  // where the search for a victim goes on
};

uint64_t replica_hash(const struct replica_file *id, uint64_t chunk);
bool replica_same_file(const struct replica_file *a, const struct replica_file *b);
bool replica_is_older(const struct replica_file *a, const struct replica_file *b); // by ctime
void replica_count(struct replica_store *s, enum replica_count which, int64_t n);
// Keeps a chunk from being ordered for so long; 0: it may be again.
void replica_be_quiet(struct replica_store *s, uint64_t hash, unsigned seconds);
// Keeps chunks of at most this frequency from being ordered for a moment.
void replica_raise_bar(struct replica_store *s, unsigned frequency);
// The slot's file has changed: out of service.
void replica_mark_stale(struct replica_store *s, struct replica_slot *slot);
// So many bytes of a chunk were sent: counts it with the probability of its share.
void replica_tally(struct replica_store *s, uint64_t hash, uint64_t sent, uint64_t chunk_len);
