// SPDX-License-Identifier: Apache-2.0
//
// Variables are read of a request, and in mid-handshake there is none: one is made that has a
// connection and a server and nothing else, and it goes again without having counted.
#include "server/tls/certificate_hook.h"

#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "server/conn/conn.h"
#include "server/request/request.h"
#include "server/tls/certificate_cache.h"
#include "server/tls/contexts.h"
#include "server/worker.h"

// The caches of this thread, one for each ssl_certificate_cache line in use.
struct kept {
    const struct tls_certificate_policy *policy;
    struct certificate_cache *cache;
    struct kept *next;
};

static pthread_key_t thread_key;
static pthread_once_t thread_once = PTHREAD_ONCE_INIT;
static bool thread_key_made;

static void free_kept(void *list)
{
    for (struct kept *k = list, *next; k != NULL; k = next) {
        next = k->next;
        certificate_cache_free(k->cache);
        free(k);
    }
}

static void make_thread_key(void)
{
    thread_key_made = pthread_key_create(&thread_key, free_kept) == 0;
}

static struct kept *new_kept(const struct tls_certificate_policy *policy, struct kept *next)
{
    struct kept *k = malloc(sizeof(*k));

    if (k == NULL)
        return NULL;
    *k = (struct kept){policy, certificate_cache_new(policy), next};
    if (k->cache != NULL && pthread_setspecific(thread_key, k) == 0)
        return k;
    certificate_cache_free(k->cache);
    free(k);
    return NULL;
}

// NULL: off, or there is no memory for it.
static struct certificate_cache *cache_of(const struct tls_certificate_policy *policy)
{
    pthread_once(&thread_once, make_thread_key);
    if (policy == NULL || !thread_key_made)
        return NULL;
    struct kept *first = pthread_getspecific(thread_key);
    for (struct kept *k = first; k != NULL; k = k->next) {
        if (k->policy == policy)
            return k->cache;
    }
    struct kept *k = new_kept(policy, first);
    return k != NULL ? k->cache : NULL;
}

void tls_certificate_hook_forget(void)
{
    pthread_once(&thread_once, make_thread_key);
    if (!thread_key_made)
        return;
    free_kept(pthread_getspecific(thread_key));
    pthread_setspecific(thread_key, NULL);
}

static void complain_of_loading(struct request *r, const char *what,
                                const struct certificate_request *q)
{
    char text[TLS_ERROR_MAX];

    tls_error_text(text);
    request_log(r, LOG_LEVEL_ERROR, 0, "cannot load %s \"%s\": %s%s while SSL handshaking", what,
                tls_shown_path(q->id), q->error, text);
}

static void complain_of_call(struct request *r, const char *call, const char *id)
{
    char text[TLS_ERROR_MAX];

    tls_error_text(text);
    request_log(r, LOG_LEVEL_ERROR, 0, "%s(\"%s\") failed%s while SSL handshaking", call,
                tls_shown_path(id), text);
}

// The key of another certificate: one of the two was replaced, and the cache has the other's elder.
static bool is_mismatch(void)
{
    unsigned long e = ERR_peek_last_error();

    return ERR_GET_LIB(e) == ERR_LIB_X509 && (ERR_GET_REASON(e) == X509_R_KEY_VALUES_MISMATCH ||
                                              ERR_GET_REASON(e) == X509_R_KEY_TYPE_MISMATCH);
}

static int use_chain(struct request *r, SSL *ssl, struct certificate_request *q,
                     struct certificate_cache *cache)
{
    STACK_OF(X509) *chain = certificate_cache_chain(cache, q);

    if (chain == NULL) {
        complain_of_loading(r, "certificate", q);
        return -EINVAL;
    }
    X509 *x = sk_X509_shift(chain);
    bool ok = SSL_use_certificate(ssl, x) != 0;
    if (!ok)
        complain_of_call(r, "SSL_use_certificate", q->id);
    X509_free(x);
    if (ok && SSL_set0_chain(ssl, chain) != 0)
        return 0;
    if (ok)
        complain_of_call(r, "SSL_set0_chain", q->id);
    sk_X509_pop_free(chain, X509_free);
    return -EINVAL;
}

// -EAGAIN: the key is another certificate's.
static int use_key(struct request *r, SSL *ssl, struct certificate_request *q,
                   struct certificate_cache *cache)
{
    EVP_PKEY *key = certificate_cache_key(cache, q);

    if (key == NULL) {
        complain_of_loading(r, "certificate key", q);
        return -EINVAL;
    }
    // OpenSSL takes a key of another type without looking at the certificate.
    bool ok = X509_check_private_key(SSL_get_certificate(ssl), key) != 0 &&
              SSL_use_PrivateKey(ssl, key) != 0;
    EVP_PKEY_free(key);
    if (ok)
        return 0;
    if (!q->fresh && is_mismatch()) {
        ERR_clear_error();
        return -EAGAIN;
    }
    complain_of_call(r, "SSL_use_PrivateKey", q->id);
    return -EINVAL;
}

static int use_pair(struct request *r, SSL *ssl, const struct tls_conf *t, const char *certificate,
                    const char *key, bool fresh)
{
    struct certificate_cache *cache = cache_of(t->certificate_policy);
    struct certificate_request q = {.id = certificate, .passwords = &t->passwords, .fresh = fresh,
                                    .now_s = (int64_t)(clock_mono_ms() / 1000)};
    int rc = use_chain(r, ssl, &q, cache);

    if (rc != 0)
        return rc;
    q.id = key;
    return use_key(r, ssl, &q, cache);
}

// NULL when memory is out.
static const char *evaluate(struct request *r, const struct tls_conf *t,
                            const struct tls_path *path)
{
    struct sv value;

    if (request_eval(r, path->value, &value) != 0)
        return NULL;
    return tls_full_path(&r->arena, t->directory, value);
}

static int use_all(struct request *r, SSL *ssl, const struct tls_conf *t)
{
    const struct tls_path *key = t->keys;
    int rc = 0;

    for (const struct tls_path *c = t->certificates; rc == 0 && c != NULL; c = c->next) {
        const char *certificate = evaluate(r, t, c), *key_id = evaluate(r, t, key);

        if (certificate == NULL || key_id == NULL)
            return -ENOMEM;
        rc = use_pair(r, ssl, t, certificate, key_id, false);
        if (rc == -EAGAIN)
            rc = use_pair(r, ssl, t, certificate, key_id, true);
        key = key->next;
    }
    return rc;
}

static struct request *borrow_request(struct conn *c, const struct server_conf *s)
{
    struct request *r = request_new(c, NULL);

    if (r == NULL)
        return NULL;
    c->requests--;
    stats_add(&c->worker->stats->requests, -1);
    r->server = s;
    r->location = s->location;
    return r;
}

// A name is part of a path here: none may lead to another directory.
static bool is_safe_name(const SSL *ssl)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    return name == NULL || strchr(name, '/') == NULL;
}

int tls_certificate_hook(struct conn *c, const struct tls_context *context, SSL *ssl)
{
    const struct server_conf *s = context->server;

    if (!s->tls.certificates_vary)
        return 1;
    struct request *r = is_safe_name(ssl) ? borrow_request(c, s) : NULL;
    if (r == NULL)
        return 0;
    int rc = use_all(r, ssl, &s->tls);
    request_end(r);
    return rc == 0;
}
