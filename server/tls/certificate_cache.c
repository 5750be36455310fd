// SPDX-License-Identifier: Apache-2.0
#include "server/tls/certificate_cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/hash.h"
#include "lib/base/list.h"

#define BUCKETS_MAX 4096u

// How one kind of thing is read, shared and dropped.
struct kind {
    void *(*load)(struct certificate_request *r);
    void *(*share)(void *value);
    void (*drop)(void *value);
};

// Which file it was.
struct stamp {
    ino_t inode;
    struct timespec changed;
};

struct entry {
    struct list use, bucket; // the most recently used first
    const struct kind *kind;
    void *value;
    int64_t created_s, used_s;
    struct stamp stamp;
    uint64_t hash;
    char id[];
};

struct certificate_cache {
    const struct tls_certificate_policy *policy;
    const struct certificate_cache *elder;
    struct list use;
    unsigned count, mask;
    struct list buckets[];
};

static void *chain_load(struct certificate_request *r)
{
    return tls_load_chain(r->id, &r->error);
}

static void *chain_share(void *value)
{
    return X509_chain_up_ref(value);
}

static void chain_drop(void *value)
{
    sk_X509_pop_free((STACK_OF(X509) *)value, X509_free);
}

static void *key_load(struct certificate_request *r)
{
    return tls_load_key(r->id, r->passwords, &r->error);
}

static void *key_share(void *value)
{
    return EVP_PKEY_up_ref(value) != 0 ? value : NULL;
}

static void key_drop(void *value)
{
    EVP_PKEY_free(value);
}

static const struct kind chains = {chain_load, chain_share, chain_drop};
static const struct kind keys = {key_load, key_share, key_drop};

// Who names passwords wants a key to be plain in memory for as short as possible.
static bool may_keep(const struct kind *kind, const struct certificate_request *r)
{
    return kind != &keys || r->passwords->n == 0;
}

struct certificate_cache *certificate_cache_new(const struct tls_certificate_policy *policy)
{
    unsigned n = 1;

    while (n < BUCKETS_MAX && n < policy->max)
        n *= 2;
    struct certificate_cache *c = malloc(sizeof(*c) + n * sizeof(c->buckets[0]));
    if (c == NULL)
        return NULL;
    c->policy = policy;
    c->elder = NULL;
    c->count = 0;
    c->mask = n - 1;
    list_init(&c->use);
    for (unsigned i = 0; i < n; i++)
        list_init(&c->buckets[i]);
    return c;
}

static void remove_entry(struct certificate_cache *c, struct entry *e)
{
    list_remove(&e->use);
    list_remove(&e->bucket);
    e->kind->drop(e->value);
    free(e);
    c->count--;
}

void certificate_cache_free(struct certificate_cache *c)
{
    if (c == NULL)
        return;
    while (!list_empty(&c->use))
        remove_entry(c, list_first(&c->use, struct entry, use));
    free(c);
}

unsigned certificate_cache_count(const struct certificate_cache *c)
{
    return c->count;
}

static bool is_data(const char *id)
{
    return strncmp(id, "data:", 5) == 0;
}

// All zero when there is no such file.
static struct stamp stamp_of(const char *id)
{
    struct stat st;

    if (is_data(id) || stat(id, &st) != 0)
        return (struct stamp){.inode = 0};
    return (struct stamp){.inode = st.st_ino, .changed = st.st_mtim};
}

// What restores a file (tar, rsync, touch -d) may know its time only to the second.
static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec &&
           (a->tv_nsec == b->tv_nsec || a->tv_nsec == 0 || b->tv_nsec == 0);
}

static bool same_file(const struct stamp *a, const struct stamp *b)
{
    return a->inode != 0 && a->inode == b->inode && same_time(&a->changed, &b->changed);
}

static struct entry *find(const struct certificate_cache *c, const struct kind *kind,
                          const char *id, uint64_t hash)
{
    const struct list *bucket = &c->buckets[hash & c->mask];

    list_each (it, bucket) {
        struct entry *e = container_of(it, struct entry, bucket);

        if (e->hash == hash && e->kind == kind && strcmp(e->id, id) == 0)
            return e;
    }
    return NULL;
}

static bool is_good(struct certificate_cache *c, struct entry *e,
                    const struct certificate_request *r)
{
    if (is_data(e->id))
        return true;
    if (r->fresh)
        return false;
    if (r->now_s - e->created_s <= c->policy->valid_s)
        return true;
    struct stamp now = stamp_of(e->id);
    if (!same_file(&now, &e->stamp))
        return false;
    e->created_s = r->now_s;
    return true;
}

// As nginx: two at most at a time, so that no handshake pays for many.
static void drop_inactive(struct certificate_cache *c, int64_t now_s)
{
    for (int i = 0; i < 2 && !list_empty(&c->use); i++) {
        struct entry *oldest = container_of(c->use.prev, struct entry, use);

        if (now_s - oldest->used_s <= c->policy->inactive_s)
            return;
        remove_entry(c, oldest);
    }
}

static void make_room(struct certificate_cache *c, int64_t now_s)
{
    drop_inactive(c, now_s);
    if (c->count >= c->policy->max)
        remove_entry(c, container_of(c->use.prev, struct entry, use));
}

static void *share(const struct kind *kind, void *value, struct certificate_request *r)
{
    void *shared = kind->share(value);

    if (shared == NULL)
        r->error = "sk_X509_dup() failed";
    return shared;
}

// What cannot be kept is used all the same: `value` goes to the caller then.
static void *keep(struct certificate_cache *c, const struct kind *kind,
                  struct certificate_request *r, uint64_t hash, void *value,
                  const struct stamp *stamp)
{
    size_t n = strlen(r->id) + 1;
    struct entry *e = malloc(sizeof(*e) + n);

    if (e == NULL)
        return value;
    make_room(c, r->now_s);
    *e = (struct entry){.kind = kind, .value = value, .hash = hash, .stamp = *stamp,
                        .created_s = r->now_s, .used_s = r->now_s};
    memcpy(e->id, r->id, n);
    list_prepend(&c->use, &e->use);
    list_prepend(&c->buckets[hash & c->mask], &e->bucket);
    c->count++;
    return share(kind, value, r);
}

// NULL: it has none, or none that may still be good.
static void *inherited(const struct certificate_cache *elder, const struct kind *kind,
                       const struct certificate_request *r, uint64_t hash,
                       const struct stamp *stamp)
{
    const struct entry *e = elder != NULL ? find(elder, kind, r->id, hash) : NULL;

    if (e == NULL)
        return NULL;
    bool same = is_data(r->id) || same_file(stamp, &e->stamp);
    return same ? kind->share(e->value) : NULL;
}

static void *fetch(struct certificate_cache *c, const struct kind *kind,
                   struct certificate_request *r)
{
    if (c == NULL || !may_keep(kind, r))
        return kind->load(r);
    uint64_t hash = hash_bytes(r->id, strlen(r->id));
    struct entry *e = find(c, kind, r->id, hash);
    if (e != NULL && is_good(c, e, r)) {
        e->used_s = r->now_s;
        list_remove(&e->use);
        list_prepend(&c->use, &e->use);
        return share(kind, e->value, r);
    }
    if (e != NULL)
        remove_entry(c, e);
    // Asked before reading: of a file that changes in between, the next look sees the change.
    struct stamp stamp = stamp_of(r->id);
    void *value = inherited(c->elder, kind, r, hash, &stamp);
    if (value == NULL)
        value = kind->load(r);
    return value != NULL ? keep(c, kind, r, hash, value, &stamp) : NULL;
}

STACK_OF(X509) *certificate_cache_chain(struct certificate_cache *c, struct certificate_request *r)
{
    return fetch(c, &chains, r);
}

EVP_PKEY *certificate_cache_key(struct certificate_cache *c, struct certificate_request *r)
{
    return fetch(c, &keys, r);
}

void certificate_cache_inherit(struct certificate_cache *c, struct certificate_cache *elder)
{
    c->elder = elder;
}
