// SPDX-License-Identifier: Apache-2.0
//
// open_file_cache: paths to open files, or to the error that opening gave. nginx's rules: at most
// `max` entries, the least recently used going first; an entry unused for `inactive` seconds goes
// when somebody gives a file back; after `valid` seconds the path is opened again and compared; the
// descriptor of an entry used less than `min_uses` times is not kept. Knows nothing of opening.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/list.h"
#include "lib/file/file_priv.h"

#define BUCKETS_MAX (1u << 16)

struct file_cache {
    const struct file_cache_policy *policy;
    struct list lru; // the most recently used first
    uint32_t count;
    uint32_t mask;
    struct file_entry *buckets[];
};

struct file_entry {
    struct list lru;
    struct file_entry *chain; // same bucket
    struct file_cache *cache;
    uint64_t hash;
    struct open_file *file; // one reference; NULL: an error, or not used often enough to keep
    int err;                // 0 or a positive errno
    int64_t uses;
    uint64_t looked_ms;     // when the path was last opened
    uint64_t used_ms;
    enum symlink_policy symlinks;
    size_t symlinks_from;
    char path[];
};

static struct file_cache *make_cache(const struct file_cache_policy *policy)
{
    uint32_t buckets = 16;
    struct file_cache *c;

    while (buckets < policy->max && buckets < BUCKETS_MAX)
        buckets *= 2;
    c = calloc(1, sizeof(*c) + buckets * sizeof(c->buckets[0]));
    if (c == NULL)
        return NULL;
    c->policy = policy;
    c->mask = buckets - 1;
    list_init(&c->lru);
    return c;
}

// Made at first use. NULL when memory is out: there is no caching then.
static struct file_cache *cache_of(struct file_table *t, const struct file_lookup *l)
{
    if (l->cache == NULL || l->cache->max == 0)
        return NULL;
    check(l->cache->index < t->ncaches);
    struct file_cache **slot = &t->caches[l->cache->index];
    if (*slot == NULL)
        *slot = make_cache(l->cache);
    if (*slot != NULL)
        (*slot)->policy = l->cache;
    return *slot;
}

static struct file_entry **find_slot(struct file_cache *c, const char *path, uint64_t hash)
{
    struct file_entry **slot = &c->buckets[hash & c->mask];

    while (*slot != NULL && ((*slot)->hash != hash || strcmp((*slot)->path, path) != 0))
        slot = &(*slot)->chain;
    return slot;
}

static void drop_file(struct file_entry *e)
{
    struct open_file *f = e->file;

    if (f == NULL)
        return;
    e->file = NULL;
    f->entry = NULL;
    file_unref(f);
}

static void remove_entry(struct file_entry *e)
{
    struct file_entry **slot = find_slot(e->cache, e->path, e->hash);

    check(*slot == e);
    *slot = e->chain;
    list_remove(&e->lru);
    e->cache->count--;
    drop_file(e);
    free(e);
}

static void touch(struct file_entry *e)
{
    e->used_ms = clock_mono_ms();
    list_remove(&e->lru);
    list_prepend(&e->cache->lru, &e->lru);
}

static bool within(uint64_t since_ms, int64_t seconds)
{
    return clock_mono_ms() - since_ms < (uint64_t)seconds * 1000;
}

static struct file_entry *oldest(struct file_cache *c)
{
    return list_empty(&c->lru) ? NULL : container_of(c->lru.prev, struct file_entry, lru);
}

// One or two at a time, so that no request pays for all.
static void expire_inactive(struct file_cache *c)
{
    for (int i = 0; i < 2; i++) {
        struct file_entry *e = oldest(c);

        if (e == NULL || within(e->used_ms, c->policy->inactive_s))
            return;
        remove_entry(e);
    }
}

static bool fresh(const struct file_entry *e, const struct file_lookup *l)
{
    if (e->file == NULL && e->err == 0)
        return false;
    return e->symlinks == l->symlinks && e->symlinks_from == l->symlinks_from &&
           within(e->looked_ms, l->cache->valid_s);
}

bool file_cache_find(struct file_table *t, struct file_lookup *l)
{
    struct file_cache *c = cache_of(t, l);

    if (c == NULL)
        return false;
    struct file_entry *e = *find_slot(c, l->path, hash_bytes(l->path, strlen(l->path)));
    if (e == NULL)
        return false;
    e->uses++;
    touch(e);
    if (!fresh(e, l))
        return false;
    l->err = e->err;
    l->file = e->file;
    if (l->file != NULL)
        file_hold(l->file);
    return true;
}

// Errors that tell about the path. Others (no descriptors, no memory, a failed disk) tell about
// the moment, and would be remembered beyond it.
static bool lasting(int err)
{
    return err == ENOENT || err == ENOTDIR || err == EACCES || err == ELOOP ||
           err == ENAMETOOLONG;
}

static struct file_entry *add_entry(struct file_cache *c, const char *path, uint64_t hash)
{
    size_t n = strlen(path) + 1;
    struct file_entry *e = calloc(1, sizeof(*e) + n);

    if (e == NULL)
        return NULL;
    if (c->count >= c->policy->max)
        remove_entry(oldest(c));
    expire_inactive(c);
    // The slot is looked for again: what was removed may have been in its chain.
    struct file_entry **slot = find_slot(c, path, hash);
    memcpy(e->path, path, n);
    e->hash = hash;
    e->cache = c;
    e->uses = 1;
    list_init(&e->lru);
    *slot = e;
    c->count++;
    return e;
}

// A file written in place keeps its inode, and those who are sending it must go on with the size
// they announced: it becomes another open file too.
static bool same_file(const struct open_file *a, const struct open_file *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
           a->mtime_s == b->mtime_s && a->mtime_ns == b->mtime_ns &&
           a->owner_exec == b->owner_exec;
}

static void keep_file(struct file_entry *e, struct file_lookup *l)
{
    if (e->file != NULL && same_file(e->file, l->file)) {
        file_unref(l->file);
        l->file = e->file;
    } else {
        drop_file(e);
        e->file = l->file;
        e->file->entry = e;
    }
    file_hold(l->file);
}

void file_cache_store(struct file_table *t, struct file_lookup *l)
{
    struct file_cache *c = cache_of(t, l);

    if (c == NULL || (l->test_only && l->err == 0) || (l->err != 0 && !lasting(l->err)))
        return;
    uint64_t hash = hash_bytes(l->path, strlen(l->path));
    struct file_entry *e = *find_slot(c, l->path, hash);
    if (l->err != 0 && !l->cache->errors) {
        if (e != NULL)
            remove_entry(e);
        return;
    }
    if (e == NULL)
        e = add_entry(c, l->path, hash);
    if (e == NULL)
        return;
    e->err = l->err;
    if (l->err != 0)
        drop_file(e);
    else
        keep_file(e, l);
    e->symlinks = l->symlinks;
    e->symlinks_from = l->symlinks_from;
    e->looked_ms = clock_mono_ms();
    touch(e);
}

void file_cache_released(struct file_entry *e)
{
    struct file_cache *c = e->cache;

    touch(e);
    if (e->uses < c->policy->min_uses && e->file->fd >= 0)
        drop_file(e);
    expire_inactive(c);
}

void file_cache_destroy(struct file_cache *c)
{
    if (c == NULL)
        return;
    while (!list_empty(&c->lru)) {
        struct file_entry *e = oldest(c);

        check(e->file == NULL || e->file->refs == 1);
        remove_entry(e);
    }
    check(c->count == 0);
    free(c);
}
