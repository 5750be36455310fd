// SPDX-License-Identifier: Apache-2.0
//
// The store as workers see it: looking up and pinning. Nothing here takes a lock or calls the
// kernel, but for making and freeing.
#include "lib/file/replica.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/file/frequency.h"
#include "lib/file/replica_priv.h"

#define WINDOW_PER_SLOT 16
#define WINDOW_MIN 4096u

struct replica_file replica_file_of(const struct stat *st)
{
    return (struct replica_file){
        .dev = st->st_dev,
        .ino = st->st_ino,
        .size = (uint64_t)st->st_size,
        .mtime_s = st->st_mtim.tv_sec,
        .mtime_ns = st->st_mtim.tv_nsec,
        .ctime_s = st->st_ctim.tv_sec,
        .ctime_ns = st->st_ctim.tv_nsec,
    };
}

bool replica_same_file(const struct replica_file *a, const struct replica_file *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
           a->mtime_s == b->mtime_s && a->mtime_ns == b->mtime_ns && a->ctime_s == b->ctime_s &&
           a->ctime_ns == b->ctime_ns;
}

bool replica_is_older(const struct replica_file *a, const struct replica_file *b)
{
    return a->ctime_s != b->ctime_s ? a->ctime_s < b->ctime_s : a->ctime_ns < b->ctime_ns;
}

uint64_t replica_hash(const struct replica_file *id, uint64_t chunk)
{
    uint64_t key[3] = {id->dev, id->ino, chunk};

    return hash_bytes(key, sizeof(key));
}

void replica_count(struct replica_store *s, enum replica_count which, int64_t n)
{
    atomic_fetch_add_explicit(&s->counts[which], (uint64_t)n, memory_order_relaxed);
}

bool replica_pin(struct replica_slot *slot)
{
    uint32_t state = atomic_load_explicit(&slot->state, memory_order_relaxed);

    while ((state & REPLICA_LIVE) != 0) {
        if (atomic_compare_exchange_weak_explicit(&slot->state, &state, state + 1,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
    }
    return false;
}

void replica_unpin(struct replica_slot *slot)
{
    uint32_t before = atomic_fetch_sub_explicit(&slot->state, 1, memory_order_release);

    check((before & ~REPLICA_LIVE) != 0);
}

bool replica_kill(struct replica_slot *slot)
{
    uint32_t before =
        atomic_fetch_and_explicit(&slot->state, ~REPLICA_LIVE, memory_order_acq_rel);

    return (before & REPLICA_LIVE) != 0;
}

void replica_mark_stale(struct replica_store *s, struct replica_slot *slot)
{
    if (!replica_kill(slot))
        return;
    replica_count(s, COUNT_STALE, 1);
    atomic_fetch_add_explicit(&s->dead, 1, memory_order_relaxed);
}

// The slot in service that has this chunk, of whatever identity, with a pin; NULL: none.
static struct replica_slot *pin_chunk(struct replica_store *s, const struct replica_file *id,
                                      uint64_t chunk)
{
    uint64_t hash = replica_hash(id, chunk);
    uint32_t at = 0, i;

    while ((i = replica_index_next(&s->index, hash, &at)) != REPLICA_INDEX_END) {
        struct replica_slot *slot = &s->slots[i];

        if (!replica_pin(slot))
            continue;
        if (slot->chunk == chunk && slot->file.ino == id->ino && slot->file.dev == id->dev)
            return slot;
        replica_unpin(slot);
    }
    return NULL;
}

// A caller that has kept an old file open says nothing against a newer copy.
static cold_path void mismatch(struct replica_store *s, struct replica_slot *slot,
                               const struct replica_file *id)
{
    struct replica_order drop = {.file = *id, .fd = -1};

    if (replica_is_older(id, &slot->file))
        return;
    replica_mark_stale(s, slot);
    // What does not find room is dropped when it is met.
    (void)replica_queue_push(&s->queue, &drop);
}

bool replica_get(struct replica_store *s, const struct replica_file *id, uint64_t off,
                 uint64_t len, struct replica_hit *hit)
{
    uint64_t within = off % REPLICA_CHUNK;
    struct replica_slot *slot = pin_chunk(s, id, off / REPLICA_CHUNK);

    if (slot == NULL)
        return false;
    bool same = replica_same_file(&slot->file, id);
    if (!same)
        mismatch(s, slot, id);
    if (!same || len == 0 || within >= slot->len) {
        replica_unpin(slot);
        return false;
    }
    uint32_t i = (uint32_t)(slot - s->slots);
    *hit = (struct replica_hit){
        .fd = s->memory.fd,
        .off = (uint64_t)i * REPLICA_CHUNK + within,
        .len = min_of(len, slot->len - within),
        .slot = i,
    };
    return true;
}

void replica_put(struct replica_store *s, const struct replica_hit *hit, uint64_t sent)
{
    struct replica_slot *slot = &s->slots[hit->slot];

    check(hit->slot < s->nslots);
    replica_tally(s, slot->hash, sent, slot->len);
    replica_unpin(slot);
}

struct replica_counts replica_counts(const struct replica_store *s)
{
    uint64_t n[COUNTS];

    for (unsigned i = 0; i < COUNTS; i++)
        n[i] = atomic_load_explicit(&s->counts[i], memory_order_relaxed);
    return (struct replica_counts){
        .admitted = n[COUNT_ADMITTED],
        .refused = n[COUNT_REFUSED],
        .local = n[COUNT_LOCAL],
        .failed = n[COUNT_FAILED],
        .lost = n[COUNT_LOST],
        .evicted = n[COUNT_EVICTED],
        .stale = n[COUNT_STALE],
        .held = n[COUNT_HELD],
    };
}

int replica_orders_fd(const struct replica_store *s)
{
    return s->queue.event;
}

static int make_slots(struct replica_store *s)
{
    size_t bytes = s->nslots * sizeof(s->slots[0]);

    s->slots = aligned_alloc(alignof(struct replica_slot), bytes);
    s->free = malloc(s->nslots * sizeof(s->free[0]));
    if (s->slots == NULL || s->free == NULL)
        return -ENOMEM;
    memset(s->slots, 0, bytes);
    // The lowest are used first.
    for (uint32_t i = 0; i < s->nslots; i++)
        s->free[i] = s->nslots - 1 - i;
    s->nfree = s->nslots;
    return replica_index_make(&s->index, s->nslots);
}

static int make_parts(struct replica_store *s)
{
    uint64_t window = max_of((uint64_t)s->nslots * WINDOW_PER_SLOT, (uint64_t)WINDOW_MIN);
    int rc = make_slots(s);

    if (rc == 0)
        rc = frequency_make(&s->frequency,
                            (uint32_t)min_of(window, (uint64_t)FREQUENCY_WINDOW_MAX));
    if (rc == 0)
        rc = replica_queue_open(&s->queue);
    if (rc == 0)
        rc = replica_memory_open(&s->memory, s->plan.node, s->nslots);
    return rc;
}

int replica_store_make(struct replica_store **out, const struct replica_plan *plan)
{
    uint64_t slots = plan->bytes / REPLICA_CHUNK;

    if (slots == 0 || slots >= UINT32_MAX / 4)
        return -EINVAL;
    struct replica_store *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return -ENOMEM;
    s->plan = *plan;
    s->nslots = (uint32_t)slots;
    s->queue.event = s->memory.fd = s->memory.meminfo = -1;
    int rc = make_parts(s);
    if (rc != 0) {
        replica_store_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

void replica_store_free(struct replica_store *s)
{
    if (s == NULL)
        return;
    for (uint32_t i = 0; s->memory.fd >= 0 && i < s->nslots; i++)
        check((atomic_load(&s->slots[i].state) & ~REPLICA_LIVE) == 0);
    replica_memory_close(&s->memory);
    replica_queue_close(&s->queue);
    frequency_free(s->frequency);
    replica_index_free(&s->index);
    free(s->free);
    free(s->slots);
    free(s);
}
