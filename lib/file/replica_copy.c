// SPDX-License-Identifier: Apache-2.0
//
// The background thread's side: which orders are worth a copy, whose place it takes, and copying so
// that what is published is what the identity says.
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/sys.h"
#include "lib/file/frequency.h"
#include "lib/file/page_node.h"
#include "lib/file/replica_priv.h"

#define LOCAL_S 30       // how long a chunk is believed to lie on the node
#define REFUSED_S 1
#define SAMPLES 16       // pages of a chunk that are looked at
#define CANDIDATES 8     // slots that a victim is chosen from
#define SEARCH_MAX 64    // slots looked at to find them
#define NO_SLOT UINT32_MAX

static void refuse(struct replica_store *s, const struct replica_order *o,
                   enum replica_count why, unsigned seconds)
{
    replica_count(s, why, 1);
    replica_be_quiet(s, o->hash, seconds);
}

// ---- Slots.

// A slot that nobody can pin any more and nobody has pinned.
static void release(struct replica_store *s, uint32_t i)
{
    struct replica_slot *slot = &s->slots[i];

    replica_index_remove(&s->index, slot->hash, i);
    replica_count(s, COUNT_HELD, -(int64_t)slot->len);
    slot->used = false;
    if (replica_memory_empty(&s->memory, i))
        s->free[s->nfree++] = i;
}

static void reclaim_dead(struct replica_store *s)
{
    if (atomic_load_explicit(&s->dead, memory_order_relaxed) == 0)
        return;
    for (uint32_t i = 0; i < s->nslots; i++) {
        struct replica_slot *slot = &s->slots[i];

        if (!slot->used || atomic_load_explicit(&slot->state, memory_order_acquire) != 0)
            continue;
        atomic_fetch_sub_explicit(&s->dead, 1, memory_order_relaxed);
        release(s, i);
    }
}

// The least frequent of those in service, unpinned, that come next in turn.
static uint32_t find_victim(struct replica_store *s, unsigned *frequency)
{
    uint32_t victim = NO_SLOT;
    unsigned found = 0, tries = min_of(s->nslots, (uint32_t)SEARCH_MAX);

    for (; tries != 0 && found < CANDIDATES; tries--) {
        uint32_t i = s->hand++ % s->nslots;
        struct replica_slot *slot = &s->slots[i];

        if (atomic_load_explicit(&slot->state, memory_order_relaxed) != REPLICA_LIVE)
            continue;
        unsigned f = frequency_estimate(s->frequency, slot->hash);
        if (found++ == 0 || f < *frequency) {
            victim = i;
            *frequency = f;
        }
    }
    return victim;
}

// False when somebody has pinned it meanwhile.
static bool evict(struct replica_store *s, uint32_t i)
{
    uint32_t unpinned = REPLICA_LIVE;

    if (!atomic_compare_exchange_strong_explicit(&s->slots[i].state, &unpinned, 0,
                                                 memory_order_acquire, memory_order_relaxed))
        return false;
    replica_count(s, COUNT_EVICTED, 1);
    release(s, i);
    return true;
}

// Room in the store, or somebody less frequent: decided before anything is copied or evicted.
static bool is_worth_it(struct replica_store *s, const struct replica_order *o, uint32_t *victim)
{
    unsigned theirs = 0, ours = frequency_estimate(s->frequency, o->hash);

    *victim = NO_SLOT;
    if (s->nfree != 0)
        return true;
    *victim = find_victim(s, &theirs);
    if (*victim != NO_SLOT && theirs < ours)
        return true;
    replica_raise_bar(s, ours);
    return false;
}

static uint32_t take_slot(struct replica_store *s, uint32_t victim)
{
    if (victim != NO_SLOT && !evict(s, victim))
        return NO_SLOT;
    return s->nfree != 0 ? s->free[--s->nfree] : NO_SLOT;
}

// ---- Files.

static bool is_still(int fd, const struct replica_file *id)
{
    struct stat st;

    if (sys->fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    struct replica_file now = replica_file_of(&st);
    return replica_same_file(&now, id);
}

// A time that lies in the future says nothing about the past. The mtime may be set to anything.
static bool is_settled(const struct replica_file *id)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    int64_t settled = now.tv_sec - REPLICA_SETTLED_S;
    return id->ctime_s < settled && (id->mtime_s < settled || id->mtime_s > now.tv_sec);
}

// Waits for a write(2) that is under way: its times moved when it began, its bytes may come later.
// On file systems whose reads do not wait for writers, this does, because it takes the
// inode's lock; what it finds does not matter. (The file position that it moves is nobody's.)
static void await_writer(int fd)
{
    (void)lseek(fd, 0, SEEK_DATA);
}

static uint32_t chunk_len(const struct replica_order *o)
{
    return (uint32_t)min_of(o->file.size - o->chunk * REPLICA_CHUNK, (uint64_t)REPLICA_CHUNK);
}

enum lie { LIE_LOCAL, LIE_REMOTE, LIE_GONE };

// What has left the page cache, or is only coming into it, is not hot. Where nobody tells, the
// worker is believed.
static enum lie where_pages_lie(const struct replica_store *s, const struct replica_order *o)
{
    struct page_nodes nodes;
    int node = s->plan.node;

    if (s->plan.anywhere || node < 0 || node >= PAGE_NODES_MAX)
        return LIE_REMOTE;
    if (page_node_sample_sent(o->fd, o->chunk * REPLICA_CHUNK, chunk_len(o), SAMPLES, &nodes) != 0)
        return LIE_REMOTE;
    unsigned known = page_nodes_known(&nodes);
    if (known == 0)
        return nodes.absent != 0 ? LIE_GONE : LIE_REMOTE;
    // Readers of both nodes may have filled a chunk in turn, or be about to.
    if (nodes.on[node] != known)
        return LIE_REMOTE;
    return nodes.absent + nodes.unknown != 0 ? LIE_GONE : LIE_LOCAL;
}

// ---- Orders.

// True: there is a copy already. One of another identity goes: the order's is that of now.
static bool is_there(struct replica_store *s, const struct replica_order *o)
{
    uint32_t at = 0, i;

    while ((i = replica_index_next(&s->index, o->hash, &at)) != REPLICA_INDEX_END) {
        struct replica_slot *slot = &s->slots[i];

        if (slot->chunk != o->chunk || slot->file.dev != o->file.dev ||
            slot->file.ino != o->file.ino)
            continue;
        if (!replica_same_file(&slot->file, &o->file))
            replica_mark_stale(s, slot);
        else if ((atomic_load_explicit(&slot->state, memory_order_relaxed) & REPLICA_LIVE) != 0)
            return true;
    }
    return false;
}

static void publish(struct replica_store *s, const struct replica_order *o, uint32_t i)
{
    struct replica_slot *slot = &s->slots[i];

    check(atomic_load_explicit(&slot->state, memory_order_relaxed) == 0);
    slot->len = chunk_len(o);
    slot->hash = o->hash;
    slot->chunk = o->chunk;
    slot->file = o->file;
    slot->used = true;
    replica_index_put(&s->index, o->hash, i);
    atomic_store_explicit(&slot->state, REPLICA_LIVE, memory_order_release);
    replica_count(s, COUNT_ADMITTED, 1);
    replica_count(s, COUNT_HELD, slot->len);
    replica_be_quiet(s, o->hash, 0);
}

static void copy(struct replica_store *s, const struct replica_order *o, uint32_t i)
{
    await_writer(o->fd);
    int rc = replica_memory_fill(&s->memory, i, o->fd, o->chunk * REPLICA_CHUNK, chunk_len(o));
    // Whoever began to write after the wait has moved the times before this.
    if (rc == 0 && is_still(o->fd, &o->file)) {
        publish(s, o, i);
        return;
    }
    if (replica_memory_empty(&s->memory, i))
        s->free[s->nfree++] = i;
    refuse(s, o, COUNT_FAILED, REFUSED_S);
}

static void copy_chunk(struct replica_store *s, const struct replica_order *o)
{
    uint32_t victim, slot;

    bool still = is_still(o->fd, &o->file);
    if (still && is_there(s, o))
        return;
    if (!still || !is_settled(&o->file) || !is_worth_it(s, o, &victim)) {
        refuse(s, o, COUNT_REFUSED, REFUSED_S);
        return;
    }
    enum lie lie = where_pages_lie(s, o);
    if (lie != LIE_REMOTE) {
        refuse(s, o, lie == LIE_LOCAL ? COUNT_LOCAL : COUNT_REFUSED,
               lie == LIE_LOCAL ? LOCAL_S : REFUSED_S);
        return;
    }
    slot = take_slot(s, victim);
    if (slot == NO_SLOT)
        refuse(s, o, COUNT_REFUSED, REFUSED_S);
    else
        copy(s, o, slot);
}

static void drop_file(struct replica_store *s, const struct replica_file *id)
{
    for (uint32_t i = 0; i < s->nslots; i++) {
        struct replica_slot *slot = &s->slots[i];

        if (slot->used && slot->file.ino == id->ino && slot->file.dev == id->dev &&
            !replica_same_file(&slot->file, id) && !replica_is_older(id, &slot->file))
            replica_mark_stale(s, slot);
    }
    reclaim_dead(s);
}

bool replica_work(struct replica_store *s)
{
    struct replica_order o;

    (void)frequency_age(s->frequency);
    reclaim_dead(s);
    if (!replica_queue_pop(&s->queue, &o))
        return false;
    if (o.fd < 0) {
        drop_file(s, &o.file);
        return true;
    }
    copy_chunk(s, &o);
    sys->close(o.fd);
    return true;
}
