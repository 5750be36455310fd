// SPDX-License-Identifier: Apache-2.0
//
// The memory is a header, the bucket heads of a hash, a heap of block numbers and equal blocks. A
// session takes one block and as many more as its length needs, so that memory never falls to
// pieces. Blocks are named by their number: 0 is none. Sessions stand in three orders at once: by
// id (hash), by use (list), and by the time they expire (heap), so that what has expired goes
// before anything that has not.
//
// A process may be killed in the middle of a change. Whoever locks next empties the cache instead
// of guessing which links are whole: a lost session costs its client one full handshake.
#include "lib/tls/session_cache.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "lib/base/check.h"
#include "lib/base/hash.h"

#define BLOCK 128u
#define FIRST_DATA 61u         // bytes of a session in its first block
#define MORE_DATA 120u         // and in each further one
#define BYTES_PER_BUCKET 256u  // a session without client certificate takes two blocks
#define BUCKETS_MAX (1u << 28)
#define EXPIRED_AT_ONCE 4      // that one call drops besides its own work: the lock stays short

struct block {
    uint32_t more; // the session's next block, or the next free one
    uint32_t next; // first blocks: in its bucket
    union {
        struct {
            int64_t expires_s;
            uint32_t newer, older; // order of use
            uint32_t heap_at;      // its place in the heap
            uint32_t hash;
            uint16_t len;          // bytes of the session
            uint8_t id_len;
            unsigned char id[TLS_SESSION_ID_MAX];
            unsigned char first[FIRST_DATA];
        };
        unsigned char rest[MORE_DATA];
    };
};

_Static_assert(sizeof(struct block) == BLOCK, "the parts of a first block fill it");

struct tls_session_cache {
    pthread_mutex_t lock;  // shared between processes, robust
    size_t size;           // of the mapping
    size_t first_block;    // offset of block 0 in bytes
    uint32_t blocks;       // block 0 included, which is never used
    uint32_t bucket_mask;
    // All below is what a change changes.
    uint32_t used_before;  // blocks from this one on have never held anything
    uint32_t free, nfree;  // blocks that were given back
    uint32_t newest, oldest;
    uint32_t count;        // sessions
    uint32_t links[];      // the buckets, and behind them the heap, whose first place is 1
};

static struct block *block_at(const struct tls_session_cache *c, uint32_t number)
{
    return (struct block *)((uintptr_t)c + c->first_block + (size_t)number * BLOCK);
}

static uint32_t *heap_of(struct tls_session_cache *c)
{
    return c->links + c->bucket_mask; // one before its first place
}

// ---- the heap: the session that expires first stands at place 1

static void heap_set(struct tls_session_cache *c, uint32_t place, uint32_t number)
{
    heap_of(c)[place] = number;
    block_at(c, number)->heap_at = place;
}

static int64_t heap_time(struct tls_session_cache *c, uint32_t place)
{
    return block_at(c, heap_of(c)[place])->expires_s;
}

static void heap_up(struct tls_session_cache *c, uint32_t place, uint32_t number)
{
    int64_t expires_s = block_at(c, number)->expires_s;

    while (place > 1 && heap_time(c, place / 2) > expires_s) {
        heap_set(c, place, heap_of(c)[place / 2]);
        place /= 2;
    }
    heap_set(c, place, number);
}

static void heap_down(struct tls_session_cache *c, uint32_t place, uint32_t number)
{
    int64_t expires_s = block_at(c, number)->expires_s;

    for (uint64_t child; (child = (uint64_t)place * 2) <= c->count; place = (uint32_t)child) {
        if (child < c->count && heap_time(c, (uint32_t)child + 1) < heap_time(c, (uint32_t)child))
            child++;
        if (heap_time(c, (uint32_t)child) >= expires_s)
            break;
        heap_set(c, place, heap_of(c)[child]);
    }
    heap_set(c, place, number);
}

// The last one takes the place that becomes free, and finds its own from there.
static void heap_remove(struct tls_session_cache *c, uint32_t place)
{
    uint32_t last = heap_of(c)[c->count];

    c->count--;
    if (place > c->count)
        return;
    heap_down(c, place, last);
    if (block_at(c, last)->heap_at == place)
        heap_up(c, place, last);
}

// ---- the order of use

static void link_newest(struct tls_session_cache *c, uint32_t number)
{
    struct block *b = block_at(c, number);

    b->newer = 0;
    b->older = c->newest;
    if (c->newest != 0)
        block_at(c, c->newest)->newer = number;
    else
        c->oldest = number;
    c->newest = number;
}

static void unlink_use(struct tls_session_cache *c, const struct block *b)
{
    if (b->newer != 0)
        block_at(c, b->newer)->older = b->older;
    else
        c->newest = b->older;
    if (b->older != 0)
        block_at(c, b->older)->newer = b->newer;
    else
        c->oldest = b->newer;
}

// ---- blocks

static uint32_t blocks_of(size_t n)
{
    return n <= FIRST_DATA ? 1 : (uint32_t)(1 + (n - FIRST_DATA + MORE_DATA - 1) / MORE_DATA);
}

static uint32_t room(const struct tls_session_cache *c)
{
    return c->nfree + (c->blocks - c->used_before);
}

static uint32_t take_block(struct tls_session_cache *c)
{
    uint32_t number = c->free;

    if (number != 0) {
        c->free = block_at(c, number)->more;
        c->nfree--;
        return number;
    }
    number = c->used_before;
    c->used_before = number + 1;
    // What is wiped after this process was killed is what this says: it comes before the secret.
    atomic_signal_fence(memory_order_seq_cst);
    return number;
}

static void give_block(struct tls_session_cache *c, uint32_t number)
{
    struct block *b = block_at(c, number);

    explicit_bzero(b, sizeof(*b));
    b->more = c->free;
    c->free = number;
    c->nfree++;
}

static void store(struct tls_session_cache *c, struct block *b, const unsigned char *p, size_t n)
{
    size_t part = min_of(n, (size_t)FIRST_DATA);

    b->len = (uint16_t)n;
    memcpy(b->first, p, part);
    for (p += part, n -= part; n != 0; p += part, n -= part) {
        b->more = take_block(c);
        b = block_at(c, b->more);
        part = min_of(n, (size_t)MORE_DATA);
        memcpy(b->rest, p, part);
    }
    b->more = 0;
}

static void load(const struct tls_session_cache *c, const struct block *b, unsigned char *p)
{
    size_t n = b->len, part = min_of(n, (size_t)FIRST_DATA);

    memcpy(p, b->first, part);
    for (p += part, n -= part; n != 0; p += part, n -= part) {
        b = block_at(c, b->more);
        part = min_of(n, (size_t)MORE_DATA);
        memcpy(p, b->rest, part);
    }
}

// ---- sessions

static uint32_t hash_of(const unsigned char *id, size_t id_len)
{
    uint64_t h = hash_bytes(id, id_len);

    return (uint32_t)(h ^ h >> 32);
}

static bool id_is(const struct block *b, const unsigned char *id, size_t id_len)
{
    return b->id_len == id_len && memcmp(b->id, id, id_len) == 0;
}

// 0 when it is not there. Ids of any length may be asked for.
static uint32_t find(const struct tls_session_cache *c, uint32_t hash, const unsigned char *id,
                     size_t id_len)
{
    uint32_t at = c->links[hash & c->bucket_mask];

    while (at != 0 && !id_is(block_at(c, at), id, id_len))
        at = block_at(c, at)->next;
    return at;
}

static void unlink_bucket(struct tls_session_cache *c, uint32_t number)
{
    const struct block *b = block_at(c, number);
    uint32_t *at = &c->links[b->hash & c->bucket_mask];

    while (*at != number) {
        check(*at != 0);
        at = &block_at(c, *at)->next;
    }
    *at = b->next;
}

static void drop(struct tls_session_cache *c, uint32_t number)
{
    const struct block *b = block_at(c, number);

    unlink_bucket(c, number);
    unlink_use(c, b);
    heap_remove(c, b->heap_at);
    for (uint32_t i = blocks_of(b->len); i != 0; i--) {
        uint32_t more = block_at(c, number)->more;

        give_block(c, number);
        number = more;
    }
}

static bool drop_expired(struct tls_session_cache *c, int64_t now_s)
{
    if (c->count == 0 || heap_time(c, 1) > now_s)
        return false;
    drop(c, heap_of(c)[1]);
    return true;
}

// false: there is not so much room in the whole cache.
static bool make_room(struct tls_session_cache *c, uint32_t need, int64_t now_s)
{
    for (unsigned i = 0; i < EXPIRED_AT_ONCE && drop_expired(c, now_s); i++)
        ;
    while (room(c) < need && c->count != 0) {
        if (!drop_expired(c, now_s))
            drop(c, c->oldest);
    }
    return room(c) >= need;
}

static struct block *add(struct tls_session_cache *c, uint32_t hash, int64_t expires_s)
{
    uint32_t number = take_block(c);
    uint32_t *head = &c->links[hash & c->bucket_mask];
    struct block *b = block_at(c, number);

    b->hash = hash;
    b->expires_s = expires_s;
    b->next = *head;
    *head = number;
    link_newest(c, number);
    c->count++;
    heap_up(c, c->count, number);
    return b;
}

// ---- the lock

// Drops and wipes everything. Nothing is trusted but what never changes and used_before.
static void empty(struct tls_session_cache *c)
{
    explicit_bzero(block_at(c, 0), (size_t)min_of(c->used_before, c->blocks) * BLOCK);
    memset(c->links, 0, ((size_t)c->bucket_mask + 1) * sizeof(c->links[0]));
    c->free = c->nfree = c->newest = c->oldest = c->count = 0;
    c->used_before = 1;
}

static void locked(struct tls_session_cache *c, int rc)
{
    if (likely(rc == 0))
        return;
    check(rc == EOWNERDEAD);
    empty(c);
    check(pthread_mutex_consistent(&c->lock) == 0);
}

static void lock(struct tls_session_cache *c)
{
    locked(c, pthread_mutex_lock(&c->lock));
}

static void unlock(struct tls_session_cache *c)
{
    check(pthread_mutex_unlock(&c->lock) == 0);
}

static void init_lock(struct tls_session_cache *c)
{
    pthread_mutexattr_t attr;

    check(pthread_mutexattr_init(&attr) == 0);
    check(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) == 0);
    check(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0);
    check(pthread_mutex_init(&c->lock, &attr) == 0);
    pthread_mutexattr_destroy(&attr);
}

// ---- what others call

static void lay_out(struct tls_session_cache *c, size_t size)
{
    size_t buckets = 1, head, blocks;

    while (buckets < BUCKETS_MAX && buckets * 2 * BYTES_PER_BUCKET <= size)
        buckets *= 2;
    // The last BLOCK is what rounding the head up to a block may cost.
    head = sizeof(*c) + buckets * sizeof(c->links[0]) + BLOCK;
    blocks = (size - head) / (BLOCK + sizeof(c->links[0]));
    blocks = min_of(blocks, (size_t)UINT32_MAX);
    head += blocks * sizeof(c->links[0]);
    c->size = size;
    c->first_block = head / BLOCK * BLOCK;
    c->blocks = (uint32_t)blocks;
    c->bucket_mask = (uint32_t)(buckets - 1);
    c->used_before = 1;
}

struct tls_session_cache *tls_session_cache_new(size_t size)
{
    struct tls_session_cache *c;

    if (size < TLS_SESSION_CACHE_MIN)
        return NULL;
    c = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (c == MAP_FAILED)
        return NULL;
    // Secrets have no place in a core dump; it is no reason to fail where that cannot be had.
    (void)madvise(c, size, MADV_DONTDUMP);
    init_lock(c);
    lay_out(c, size);
    // Processes that are forked later hash with the seed that is drawn by this.
    (void)hash_of((const unsigned char *)"seed", 4);
    return c;
}

// Silos of an older configuration may still be using the memory: they are left an empty cache that
// is whole. One that was stopped with the lock does not stop the master.
void tls_session_cache_free(struct tls_session_cache *c)
{
    struct timespec until;
    int rc;

    if (c == NULL)
        return;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    rc = pthread_mutex_timedlock(&c->lock, &until);
    if (rc != ETIMEDOUT) {
        locked(c, rc);
        empty(c);
        unlock(c);
    }
    munmap(c, c->size);
}

int tls_session_cache_put(struct tls_session_cache *c, const unsigned char *id, size_t id_len,
                          const unsigned char *der, size_t n, int64_t now_s, int64_t expires_s)
{
    uint32_t hash, before;
    struct block *b;
    bool fits;

    if (id_len > TLS_SESSION_ID_MAX || n > TLS_SESSION_MAX)
        return -E2BIG;
    hash = hash_of(id, id_len);
    lock(c);
    before = find(c, hash, id, id_len);
    if (before != 0)
        drop(c, before);
    fits = make_room(c, blocks_of(n), now_s);
    if (fits && expires_s > now_s) {
        b = add(c, hash, expires_s);
        b->id_len = (uint8_t)id_len;
        memcpy(b->id, id, id_len);
        store(c, b, der, n);
    }
    unlock(c);
    return fits ? 0 : -ENOMEM;
}

int tls_session_cache_get(struct tls_session_cache *c, const unsigned char *id, size_t id_len,
                          int64_t now_s, unsigned char *der, size_t *n)
{
    uint32_t hash, number;

    if (id_len > TLS_SESSION_ID_MAX)
        return -ENOENT;
    hash = hash_of(id, id_len);
    lock(c);
    number = find(c, hash, id, id_len);
    if (number != 0 && block_at(c, number)->expires_s <= now_s) {
        drop(c, number);
        number = 0;
    }
    if (number != 0) {
        *n = block_at(c, number)->len;
        load(c, block_at(c, number), der);
        unlink_use(c, block_at(c, number));
        link_newest(c, number);
    }
    unlock(c);
    return number != 0 ? 0 : -ENOENT;
}

void tls_session_cache_remove(struct tls_session_cache *c, const unsigned char *id, size_t id_len)
{
    uint32_t number;

    if (id_len > TLS_SESSION_ID_MAX)
        return;
    lock(c);
    number = find(c, hash_of(id, id_len), id, id_len);
    if (number != 0)
        drop(c, number);
    unlock(c);
}

size_t tls_session_cache_count(struct tls_session_cache *c)
{
    size_t count;

    lock(c);
    count = c->count;
    unlock(c);
    return count;
}
