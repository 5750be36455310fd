// SPDX-License-Identifier: Apache-2.0
#include "server/limits/table.h"

#include <errno.h>

#include "lib/base/check.h"
#include "lib/base/hash.h"

#define BUCKETS_MAX (1u << 28)

_Static_assert(sizeof(struct limit_node) == LIMIT_BLOCK, "a node is one block");

static struct limit_node *node_at(const struct limit_table *t, uint32_t number)
{
    return (struct limit_node *)((uintptr_t)t + t->first_block + (size_t)number * LIMIT_BLOCK);
}

uint32_t limit_table_number(const struct limit_table *t, const struct limit_node *n)
{
    return (uint32_t)(((uintptr_t)n - (uintptr_t)t - t->first_block) / LIMIT_BLOCK);
}

struct limit_node *limit_table_at(struct limit_table *t, uint32_t number)
{
    if (number == 0 || number >= t->blocks || node_at(t, number)->state != LIMIT_BLOCK_NODE)
        return NULL;
    return node_at(t, number);
}

struct limit_node *limit_table_oldest(struct limit_table *t)
{
    return t->oldest != 0 ? node_at(t, t->oldest) : NULL;
}

// Other processes see a block's content before its state, also when this one is killed in between.
static void set_state(struct limit_node *n, enum limit_block_state state)
{
    __atomic_store_n(&n->state, (uint16_t)state, __ATOMIC_RELEASE);
}

static void push_free(struct limit_table *t, uint32_t number)
{
    struct limit_node *n = node_at(t, number);

    set_state(n, LIMIT_BLOCK_FREE);
    n->next = t->free;
    t->free = number;
}

static void link_newest(struct limit_table *t, struct limit_node *n)
{
    uint32_t number = limit_table_number(t, n);

    n->newer = 0;
    n->older = t->newest;
    if (t->newest != 0)
        node_at(t, t->newest)->newer = number;
    else
        t->oldest = number;
    t->newest = number;
}

static void unlink_use(struct limit_table *t, struct limit_node *n)
{
    if (n->newer != 0)
        node_at(t, n->newer)->older = n->older;
    else
        t->newest = n->older;
    if (n->older != 0)
        node_at(t, n->older)->newer = n->newer;
    else
        t->oldest = n->newer;
}

static void link_bucket(struct limit_table *t, struct limit_node *n)
{
    uint32_t *head = &t->bucket[n->hash & t->bucket_mask];

    n->next = *head;
    *head = limit_table_number(t, n);
}

static void unlink_bucket(struct limit_table *t, struct limit_node *n)
{
    uint32_t *at = &t->bucket[n->hash & t->bucket_mask];
    uint32_t number = limit_table_number(t, n);

    while (*at != number) {
        check(*at != 0);
        at = &node_at(t, *at)->next;
    }
    *at = n->next;
}

static uint32_t more_blocks(size_t key_len)
{
    if (key_len <= LIMIT_NODE_KEY)
        return 0;
    return (uint32_t)((key_len - LIMIT_NODE_KEY + LIMIT_MORE_KEY - 1) / LIMIT_MORE_KEY);
}

// Is the rest of the key there, whole, and nobody else's? Takes what it finds.
static bool reclaim_key(struct limit_table *t, struct limit_node *n)
{
    uint32_t want = more_blocks(n->key_len), at = n->more;

    for (; want != 0; want--) {
        if (at == 0 || at >= t->blocks || node_at(t, at)->state != LIMIT_BLOCK_LOST)
            return false;
        set_state(node_at(t, at), LIMIT_BLOCK_MORE);
        at = node_at(t, at)->more;
    }
    return true;
}

static void reclaim_node(struct limit_table *t, struct limit_node *n)
{
    uint32_t at = n->more;

    if (reclaim_key(t, n)) {
        link_bucket(t, n);
        link_newest(t, n);
        return;
    }
    set_state(n, LIMIT_BLOCK_FREE);
    for (uint32_t i = more_blocks(n->key_len); i != 0 && at != 0 && at < t->blocks; i--) {
        if (node_at(t, at)->state == LIMIT_BLOCK_MORE)
            set_state(node_at(t, at), LIMIT_BLOCK_LOST);
        at = node_at(t, at)->more;
    }
}

// The holder of the lock was killed, so no link can be trusted; the blocks' states can. The order
// of use is lost: it becomes the order of the blocks.
static void repair(struct limit_table *t)
{
    t->repairs++;
    memset(t->bucket, 0, ((size_t)t->bucket_mask + 1) * sizeof(t->bucket[0]));
    t->newest = t->oldest = t->free = t->used = 0;
    for (uint32_t i = 1; i < t->blocks; i++) {
        if (node_at(t, i)->state != LIMIT_BLOCK_NODE)
            set_state(node_at(t, i), LIMIT_BLOCK_LOST);
    }
    for (uint32_t i = 1; i < t->blocks; i++) {
        if (node_at(t, i)->state == LIMIT_BLOCK_NODE)
            reclaim_node(t, node_at(t, i));
    }
    for (uint32_t i = t->blocks - 1; i != 0; i--) {
        uint16_t state = node_at(t, i)->state;

        if (state == LIMIT_BLOCK_NODE || state == LIMIT_BLOCK_MORE)
            t->used++;
        else
            push_free(t, i);
    }
}

static void init_lock(struct limit_table *t)
{
    pthread_mutexattr_t attr;

    check(pthread_mutexattr_init(&attr) == 0);
    check(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) == 0);
    check(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0);
    check(pthread_mutex_init(&t->lock, &attr) == 0);
    pthread_mutexattr_destroy(&attr);
}

void limit_table_init(struct limit_table *t, size_t size)
{
    size_t buckets = 1;

    init_lock(t);
    // About one bucket for each block: lists stay short, and a bucket is a sixteenth of a block.
    while (buckets < BUCKETS_MAX && buckets * 2 * LIMIT_BLOCK <= size)
        buckets *= 2;
    size_t head = sizeof(*t) + buckets * sizeof(t->bucket[0]);
    head = (head + LIMIT_BLOCK - 1) / LIMIT_BLOCK * LIMIT_BLOCK;
    check(size > head + 2 * LIMIT_BLOCK);
    size_t blocks = (size - head) / LIMIT_BLOCK;
    t->bucket_mask = (uint32_t)(buckets - 1);
    t->first_block = (uint32_t)head;
    t->blocks = (uint32_t)min_of(blocks, (size_t)UINT32_MAX);
    for (uint32_t i = t->blocks - 1; i != 0; i--)
        push_free(t, i);
}

void limit_table_lock(struct limit_table *t)
{
    int rc = pthread_mutex_lock(&t->lock);

    if (likely(rc == 0))
        return;
    check(rc == EOWNERDEAD);
    repair(t);
    check(pthread_mutex_consistent(&t->lock) == 0);
}

void limit_table_unlock(struct limit_table *t)
{
    check(pthread_mutex_unlock(&t->lock) == 0);
}

uint32_t limit_hash(struct sv key)
{
    uint64_t h = hash_bytes(key.p, key.n);

    return (uint32_t)(h ^ h >> 32);
}

static bool key_is(const struct limit_table *t, const struct limit_node *n, struct sv key)
{
    size_t part = min_of(key.n, (size_t)LIMIT_NODE_KEY);

    if (n->key_len != key.n || memcmp(n->key, key.p, part) != 0)
        return false;
    uint32_t at = n->more;
    for (struct sv rest = sv_skip(key, part); rest.n != 0; rest = sv_skip(rest, part)) {
        const struct limit_node *m = node_at(t, at);

        part = min_of(rest.n, (size_t)LIMIT_MORE_KEY);
        if (memcmp(m->rest, rest.p, part) != 0)
            return false;
        at = m->more;
    }
    return true;
}

struct limit_node *limit_table_find(struct limit_table *t, uint32_t hash, struct sv key,
                                    const struct limit_node *after)
{
    uint32_t at = after != NULL ? after->next : t->bucket[hash & t->bucket_mask];

    while (at != 0) {
        struct limit_node *n = node_at(t, at);

        if (n->hash == hash && key_is(t, n, key))
            return n;
        at = n->next;
    }
    return NULL;
}

static uint32_t pop_free(struct limit_table *t)
{
    uint32_t number = t->free;

    t->free = node_at(t, number)->next;
    t->used++;
    return number;
}

static void store_rest(struct limit_table *t, struct limit_node *n, struct sv rest)
{
    uint32_t *link = &n->more;

    while (rest.n != 0) {
        uint32_t number = pop_free(t);
        struct limit_node *m = node_at(t, number);
        size_t part = min_of(rest.n, (size_t)LIMIT_MORE_KEY);

        m->more = 0;
        memcpy(m->rest, rest.p, part);
        set_state(m, LIMIT_BLOCK_MORE);
        *link = number;
        link = &m->more;
        rest = sv_skip(rest, part);
    }
}

struct limit_node *limit_table_add(struct limit_table *t, uint32_t hash, struct sv key,
                                   const union limit_value *value)
{
    check(key.n != 0 && key.n <= UINT16_MAX);
    if (t->blocks - 1 - t->used < 1 + more_blocks(key.n))
        return NULL;
    struct limit_node *n = node_at(t, pop_free(t));
    n->more = 0;
    n->hash = hash;
    n->key_len = (uint16_t)key.n;
    n->value = *value;
    memcpy(n->key, key.p, min_of(key.n, (size_t)LIMIT_NODE_KEY));
    store_rest(t, n, sv_skip(key, LIMIT_NODE_KEY));
    set_state(n, LIMIT_BLOCK_NODE);
    link_bucket(t, n);
    link_newest(t, n);
    return n;
}

void limit_table_remove(struct limit_table *t, struct limit_node *n)
{
    uint32_t more = n->more;

    set_state(n, LIMIT_BLOCK_FREE);
    unlink_bucket(t, n);
    unlink_use(t, n);
    push_free(t, limit_table_number(t, n));
    t->used--;
    while (more != 0) {
        uint32_t next = node_at(t, more)->more;

        push_free(t, more);
        t->used--;
        more = next;
    }
}

void limit_table_touch(struct limit_table *t, struct limit_node *n)
{
    if (t->newest == limit_table_number(t, n))
        return;
    unlink_use(t, n);
    link_newest(t, n);
}
