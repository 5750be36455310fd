// SPDX-License-Identifier: Apache-2.0
#include "server/limits/zone.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "lib/base/check.h"
#include "lib/base/list.h"
#include "server/config/http_conf.h"
#include "server/limits/limit_conn.h"
#include "server/process/report.h"
#include "server/request/request.h"

struct limit_memory {
    struct list node;
    enum limit_kind kind;
    size_t size;
    unsigned users; // configurations
    struct limit_table *table;
    char *name, *key;
};

// Of the configurations that serve and the one that is being prepared.
static struct list memories = {&memories, &memories};

static struct limit_memory *find(const struct limit_zone *z)
{
    list_each (it, &memories) {
        struct limit_memory *m = container_of(it, struct limit_memory, node);

        if (m->kind == z->kind && m->size == (size_t)z->size &&
            sv_eq(sv_from(m->name), z->name))
            return m;
    }
    return NULL;
}

static void memory_free(struct limit_memory *m)
{
    if (m->table != NULL)
        munmap(m->table, m->size);
    free(m->name);
    free(m->key);
    free(m);
}

static int map(struct limit_memory *m)
{
    void *p = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return -errno;
    m->table = p;
    limit_table_init(m->table, m->size);
    return 0;
}

static int memory_new(const struct limit_zone *z, struct limit_memory **out)
{
    struct limit_memory *m = calloc(1, sizeof(*m));

    if (m == NULL)
        return -ENOMEM;
    m->kind = z->kind;
    m->size = (size_t)z->size;
    m->name = strndup(z->name.p, z->name.n);
    m->key = strndup(z->key->source.p, z->key->source.n);
    int rc = m->name != NULL && m->key != NULL ? map(m) : -ENOMEM;
    if (rc != 0) {
        memory_free(m);
        return rc;
    }
    list_append(&memories, &m->node);
    *out = m;
    return 0;
}

// The silos hash with the seed that the master has drawn when they are forked.
static void draw_hash_seed(void)
{
    (void)limit_hash(SV("seed"));
}

static int open_one(struct limit_zone *z)
{
    struct limit_memory *m;

    if (z->key == NULL) {
        report(LOG_LEVEL_EMERG, 0, "zero size shared memory zone \"%.*s\"", SV_ARG(z->name));
        return -EINVAL;
    }
    m = find(z);
    if (m != NULL && !sv_eq(sv_from(m->key), z->key->source)) {
        report(LOG_LEVEL_EMERG, 0,
               "%s \"%.*s\" uses the \"%.*s\" key while previously it used the \"%s\" key",
               z->kind == LIMIT_KIND_REQ ? "limit_req" : "limit_conn_zone", SV_ARG(z->name),
               SV_ARG(z->key->source), m->key);
        return -EINVAL;
    }
    int rc = m != NULL ? 0 : memory_new(z, &m);
    if (rc != 0) {
        report(LOG_LEVEL_EMERG, -rc, "mmap(%lld) of the shared memory zone \"%.*s\" failed",
               (long long)z->size, SV_ARG(z->name));
        return rc;
    }
    m->users++;
    z->memory = m;
    z->table = m->table;
    return 0;
}

int limit_zones_open(struct http_conf *http)
{
    if (http == NULL)
        return 0;
    draw_hash_seed();
    for (struct limit_zone *z = http->limit_zones; z != NULL; z = z->next) {
        int rc = open_one(z);
        if (rc != 0) {
            limit_zones_close(http);
            return rc;
        }
    }
    return 0;
}

void limit_zones_close(struct http_conf *http)
{
    for (struct limit_zone *z = http != NULL ? http->limit_zones : NULL; z != NULL; z = z->next) {
        struct limit_memory *m = z->memory;

        z->memory = NULL;
        z->table = NULL;
        if (m == NULL)
            continue;
        check(m->users > 0);
        if (--m->users == 0) {
            list_remove(&m->node);
            memory_free(m);
        }
    }
}

void limit_zones_silo_ended(pid_t silo)
{
    list_each (it, &memories) {
        struct limit_memory *m = container_of(it, struct limit_memory, node);

        if (m->kind == LIMIT_KIND_CONN)
            limit_conn_forget(m->table, silo);
    }
}

int limit_zone_key(const struct limit_zone *z, struct request *r, size_t most, struct sv *out)
{
    if (request_eval(r, z->key, out) != 0)
        return 500;
    if (out->n <= most)
        return 0;
    request_log(r, LOG_LEVEL_ERROR, 0,
                "the value of the \"%.*s\" key is more than %zu bytes: \"%.*s\"",
                SV_ARG(z->key->source), most, SV_ARG(*out));
    *out = sv_of(NULL, 0);
    return 0;
}
