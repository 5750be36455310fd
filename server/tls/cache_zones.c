// SPDX-License-Identifier: Apache-2.0
#include "server/tls/cache_zones.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/list.h"
#include "lib/tls/session_cache.h"
#include "server/config/http_conf.h"
#include "server/process/report.h"

// A cache and who it is for; the master's heap.
struct cache_memory {
    struct list node;
    char *name;
    size_t size;
    unsigned users; // configurations
    struct tls_session_cache *cache;
};

// Of the configurations that serve and the one that is being prepared.
static struct list memories = {&memories, &memories};

static struct cache_memory *find(const struct tls_cache_zone *z)
{
    list_each (it, &memories) {
        struct cache_memory *m = container_of(it, struct cache_memory, node);

        if (m->size == (size_t)z->size && sv_eq(sv_from(m->name), z->name))
            return m;
    }
    return NULL;
}

static struct cache_memory *find_open(const struct tls_session_cache *cache)
{
    list_each (it, &memories) {
        struct cache_memory *m = container_of(it, struct cache_memory, node);

        if (m->cache == cache)
            return m;
    }
    return NULL;
}

static void memory_free(struct cache_memory *m)
{
    tls_session_cache_free(m->cache);
    free(m->name);
    free(m);
}

static struct cache_memory *memory_new(const struct tls_cache_zone *z)
{
    struct cache_memory *m = calloc(1, sizeof(*m));

    if (m == NULL)
        return NULL;
    m->size = (size_t)z->size;
    m->name = strndup(z->name.p, z->name.n);
    m->cache = m->name != NULL ? tls_session_cache_new(m->size) : NULL;
    if (m->cache == NULL) {
        memory_free(m);
        return NULL;
    }
    list_append(&memories, &m->node);
    return m;
}

static int open_one(struct tls_cache_zone *z)
{
    struct cache_memory *m;

    if (z->size == 0) {
        report(LOG_LEVEL_EMERG, 0, "zero size shared memory zone \"%.*s\"", SV_ARG(z->name));
        return -EINVAL;
    }
    m = find(z);
    if (m == NULL)
        m = memory_new(z);
    if (m == NULL) {
        report(LOG_LEVEL_EMERG, ENOMEM, "mmap(%lld) of the shared memory zone \"%.*s\" failed",
               (long long)z->size, SV_ARG(z->name));
        return -ENOMEM;
    }
    m->users++;
    z->cache = m->cache;
    return 0;
}

int tls_cache_zones_open(struct http_conf *http)
{
    for (struct tls_cache_zone *z = http != NULL ? http->tls_cache_zones : NULL; z != NULL;
         z = z->next) {
        int rc = open_one(z);

        if (rc != 0) {
            tls_cache_zones_close(http);
            return rc;
        }
    }
    return 0;
}

static void close_one(struct tls_session_cache *cache)
{
    struct cache_memory *m = find_open(cache);

    check(m != NULL && m->users > 0);
    if (--m->users == 0) {
        list_remove(&m->node);
        memory_free(m);
    }
}

void tls_cache_zones_close(struct http_conf *http)
{
    for (struct tls_cache_zone *z = http != NULL ? http->tls_cache_zones : NULL; z != NULL;
         z = z->next) {
        if (z->cache != NULL)
            close_one(z->cache);
        z->cache = NULL;
    }
}
