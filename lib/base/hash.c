// SPDX-License-Identifier: Apache-2.0
#include "lib/base/hash.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

static _Atomic uint64_t process_seed;

static uint64_t seed(void)
{
    uint64_t s = atomic_load_explicit(&process_seed, memory_order_relaxed);
    uint64_t none = 0;

    if (likely(s != 0))
        return s;
    if (getrandom(&s, sizeof(s), GRND_NONBLOCK) != sizeof(s))
        s = (uint64_t)(uintptr_t)&s * 0x9e3779b97f4a7c15u;
    s |= 1;
    return atomic_compare_exchange_strong(&process_seed, &none, s) ? s : none;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t m = (__uint128_t)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t load8(const unsigned char *p, size_t n)
{
    uint64_t v = 0;
    memcpy(&v, p, n < 8 ? n : 8);
    return v;
}

// Multiply-and-fold over 16 bytes at a time, the construction of wyhash.
uint64_t hash_bytes(const void *data, size_t n)
{
    const unsigned char *p = data;
    uint64_t h = seed() ^ mix(n ^ 0xa0761d6478bd642fu, 0xe7037ed1a0b428dbu);

    while (n > 16) {
        h = mix(load8(p, 8) ^ 0xa0761d6478bd642fu, load8(p + 8, 8) ^ h);
        p += 16;
        n -= 16;
    }
    uint64_t lo = n != 0 ? load8(p, n) : 0;
    uint64_t hi = n > 8 ? load8(p + 8, n - 8) : 0;
    return mix(lo ^ 0x8ebc6af09c88c6e3u, mix(hi ^ 0x589965cc75374cc3u, h));
}

uint64_t hash_nocase(struct sv s)
{
    uint64_t h = 0xcbf29ce484222325u;
    char block[64];

    for (size_t at = 0; at < s.n; at += sizeof(block)) {
        size_t n = min_of(s.n - at, sizeof(block));
        for (size_t i = 0; i < n; i++)
            block[i] = ascii_lower(s.p[at + i]);
        h = mix(h, hash_bytes(block, n));
    }
    return h;
}

int strmap_init(struct strmap *m, struct arena *a, uint32_t capacity, bool nocase)
{
    uint32_t size = 8;

    while (size < capacity * 2)
        size *= 2;
    *m = (struct strmap){.mask = size - 1, .nocase = nocase};
    m->slots = arena_array(a, struct strmap_slot, size);
    return m->slots != NULL ? 0 : -ENOMEM;
}

static struct strmap_slot *find_slot(const struct strmap *m, struct sv key, uint64_t h)
{
    for (uint32_t i = (uint32_t)h & m->mask;; i = (i + 1) & m->mask) {
        struct strmap_slot *s = &m->slots[i];
        if (s->key.p == NULL)
            return s;
        if (s->hash == h && (m->nocase ? sv_eq_nocase(s->key, key) : sv_eq(s->key, key)))
            return s;
    }
}

static uint64_t key_hash(const struct strmap *m, struct sv key)
{
    return m->nocase ? hash_nocase(key) : hash_bytes(key.p, key.n);
}

int strmap_put(struct strmap *m, struct sv key, void *value)
{
    uint64_t h = key_hash(m, key);
    struct strmap_slot *s = find_slot(m, key, h);

    if (s->key.p != NULL)
        return -EEXIST;
    if (m->count * 4 >= (m->mask + 1) * 3)
        return -ENOSPC;
    key.p = key.p != NULL ? key.p : "";
    *s = (struct strmap_slot){.key = key, .value = value, .hash = h};
    m->count++;
    return 0;
}

void *strmap_get(const struct strmap *m, struct sv key)
{
    if (m->slots == NULL)
        return NULL;
    return find_slot(m, key, key_hash(m, key))->value;
}
