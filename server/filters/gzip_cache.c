// SPDX-License-Identifier: Apache-2.0
#include "server/filters/gzip_cache.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/list.h"
#include "lib/file/open_file.h"

#define BUCKETS 256 // a power of two

struct entry {
    struct gzip_key key;
    struct list age, same; // gzip_cache.by_age, its bucket
    size_t n;
    char bytes[];
};

struct gzip_cache {
    struct list by_age; // the one used last first
    struct list buckets[BUCKETS];
    size_t used, most;
};

bool gzip_key_make(const struct open_file *f, int level, int64_t now_ms, struct gzip_key *key)
{
    int64_t changed_ms = f->ctime_s * 1000 + f->ctime_ns / 1000000;
    int64_t quiet = f->ctime_ns != 0 ? GZIP_CACHE_SETTLED_MS : GZIP_CACHE_COARSE_MS;

    *key = (struct gzip_key){
        .dev = f->dev, .ino = f->ino, .size = f->size,
        .mtime_s = f->mtime_s, .mtime_ns = f->mtime_ns,
        .ctime_s = f->ctime_s, .ctime_ns = f->ctime_ns,
        .level = level,
    };
    return now_ms - changed_ms >= quiet;
}

struct gzip_cache *gzip_cache_new(size_t bytes)
{
    struct gzip_cache *c = malloc(sizeof(*c));

    if (c == NULL)
        return NULL;
    c->used = 0;
    c->most = bytes;
    list_init(&c->by_age);
    for (unsigned i = 0; i < BUCKETS; i++)
        list_init(&c->buckets[i]);
    return c;
}

static size_t cost_of(size_t n)
{
    return sizeof(struct entry) + n;
}

static void forget(struct gzip_cache *c, struct entry *e)
{
    c->used -= cost_of(e->n);
    list_remove(&e->age);
    list_remove(&e->same);
    free(e);
}

void gzip_cache_free(struct gzip_cache *c)
{
    while (c != NULL && !list_empty(&c->by_age))
        forget(c, list_first(&c->by_age, struct entry, age));
    free(c);
}

static struct list *bucket_of(struct gzip_cache *c, const struct gzip_key *key)
{
    return &c->buckets[hash_bytes(key, sizeof(*key)) & (BUCKETS - 1)];
}

static struct entry *find(struct gzip_cache *c, const struct gzip_key *key)
{
    list_each (it, bucket_of(c, key)) {
        struct entry *e = container_of(it, struct entry, same);
        if (memcmp(&e->key, key, sizeof(*key)) == 0)
            return e;
    }
    return NULL;
}

struct sv gzip_cache_get(struct gzip_cache *c, const struct gzip_key *key)
{
    struct entry *e = find(c, key);

    if (e == NULL)
        return sv_of(NULL, 0);
    list_remove(&e->age);
    list_prepend(&c->by_age, &e->age);
    return sv_of(e->bytes, e->n);
}

void gzip_cache_put(struct gzip_cache *c, const struct gzip_key *key, struct sv body)
{
    struct entry *e = find(c, key);
    size_t cost = cost_of(body.n);

    if (e != NULL || cost > c->most / 4)
        return;
    e = malloc(cost);
    if (e == NULL)
        return;
    while (c->used + cost > c->most)
        forget(c, container_of(c->by_age.prev, struct entry, age));
    e->key = *key;
    e->n = body.n;
    memcpy(e->bytes, body.p, body.n);
    list_prepend(&c->by_age, &e->age);
    list_prepend(bucket_of(c, key), &e->same);
    c->used += cost;
}
