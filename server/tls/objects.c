// SPDX-License-Identifier: Apache-2.0
#include "server/tls/objects.h"

#include <stdlib.h>

#include "lib/base/list.h"
#include "lib/tls/load.h"
#include "server/tls/certificate_cache.h"

// Within one configuration an object is read once, and none is ever dropped.
static const struct tls_certificate_policy keep_all = {
    .max = INT64_MAX, .inactive_s = INT64_MAX, .valid_s = INT64_MAX};

struct tls_objects {
    struct list node;
    struct certificate_cache *cache;
    struct tls_loader loader;
    bool inheritable;
};

// Of the configuration that serves and the one that is being prepared.
static struct list all = {&all, &all};

static STACK_OF(X509) *load_chain(void *ctx, const char *path, const char **error)
{
    struct tls_objects *o = ctx;
    struct certificate_request r = {.id = path};
    STACK_OF(X509) *chain = certificate_cache_chain(o->cache, &r);

    *error = r.error;
    return chain;
}

static EVP_PKEY *load_key(void *ctx, const char *path, const struct tls_passwords *passwords,
                          const char **error)
{
    struct tls_objects *o = ctx;
    struct certificate_request r = {.id = path, .passwords = passwords};
    EVP_PKEY *key = certificate_cache_key(o->cache, &r);

    *error = r.error;
    return key;
}

static struct certificate_cache *elder_cache(void)
{
    if (list_empty(&all))
        return NULL;
    const struct tls_objects *elder = container_of(all.prev, struct tls_objects, node);
    return elder->inheritable ? elder->cache : NULL;
}

struct tls_objects *tls_objects_open(bool inheritable)
{
    struct tls_objects *o = malloc(sizeof(*o));

    if (o == NULL)
        return NULL;
    *o = (struct tls_objects){.inheritable = inheritable,
                              .cache = certificate_cache_new(&keep_all),
                              .loader = {.chain = load_chain, .key = load_key, .ctx = o}};
    if (o->cache == NULL) {
        free(o);
        return NULL;
    }
    certificate_cache_inherit(o->cache, elder_cache());
    list_append(&all, &o->node);
    return o;
}

const struct tls_loader *tls_objects_loader(const struct tls_objects *o)
{
    return &o->loader;
}

void tls_objects_settle(struct tls_objects *o)
{
    certificate_cache_inherit(o->cache, NULL);
}

void tls_objects_close(struct tls_objects *o)
{
    if (o == NULL)
        return;
    list_remove(&o->node);
    certificate_cache_free(o->cache);
    free(o);
}
