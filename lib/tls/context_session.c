// SPDX-License-Identifier: Apache-2.0
//
// Resumption: the session cache shared by all silos, tickets, and which sessions are good for which
// server.
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>
#include <time.h>

#include "lib/tls/context_priv.h"
#include "lib/tls/session_cache.h"
#include "lib/tls/ticket_keys.h"

bool tls_context_has_cache(const struct tls_settings *s)
{
    if (s->builtin_cache == TLS_CACHE_OFF)
        return false;
    return s->cache != NULL || s->builtin_cache == TLS_CACHE_BUILTIN;
}

// SSL_CTX_sess_set_new_cb(3). 0: no reference is kept.
static int on_new(SSL *ssl, SSL_SESSION *session)
{
    const struct tls_context *c = tls_first_context(ssl);
    unsigned char der[TLS_SESSION_MAX], *p = der;
    unsigned id_len = 0;

    // OpenSSL offers the sessions of TLS 1.3 that went into a ticket as well; those are not asked
    // for again.
    if (SSL_version(ssl) == TLS1_3_VERSION && !(SSL_get_options(ssl) & SSL_OP_NO_TICKET))
        return 0;
    int n = i2d_SSL_SESSION(session, NULL);
    const unsigned char *id = SSL_SESSION_get_id(session, &id_len);
    if (n <= 0 || n > TLS_SESSION_MAX || id_len == 0 || id_len > TLS_SESSION_ID_MAX)
        return 0;
    n = i2d_SSL_SESSION(session, &p);
    int64_t now = time(NULL);
    // A full cache is no error: the client makes a whole handshake then.
    int rc = tls_session_cache_put(c->settings->cache, id, id_len, der, (size_t)n, now,
                                   now + SSL_SESSION_get_timeout(session));
    (void)rc;
    OPENSSL_cleanse(der, (size_t)n);
    return 0;
}

static SSL_SESSION *on_get(SSL *ssl, const unsigned char *id, int id_len, int *copy)
{
    const struct tls_context *c = tls_first_context(ssl);
    unsigned char der[TLS_SESSION_MAX];
    const unsigned char *p = der;
    size_t n;

    *copy = 0; // the reference is OpenSSL's
    if (id_len <= 0 || tls_session_cache_get(c->settings->cache, id, (size_t)id_len, time(NULL),
                                             der, &n) != 0)
        return NULL;
    SSL_SESSION *session = d2i_SSL_SESSION(NULL, &p, (long)n);
    OPENSSL_cleanse(der, n);
    return session;
}

static void on_remove(SSL_CTX *ctx, SSL_SESSION *session)
{
    const struct tls_context *c = tls_context_of(ctx);
    unsigned id_len = 0;
    const unsigned char *id = SSL_SESSION_get_id(session, &id_len);

    if (id_len > 0)
        tls_session_cache_remove(c->settings->cache, id, id_len);
}

static void set_cache(struct tls_context *c)
{
    const struct tls_settings *s = c->settings;
    SSL_CTX *ctx = c->ssl_ctx;

    if (s->builtin_cache == TLS_CACHE_OFF) {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        return;
    }
    if (!tls_context_has_cache(s)) {
        // As nginx: ids are given out, which some clients insist on, and nothing is kept.
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_AUTO_CLEAR |
                                                SSL_SESS_CACHE_NO_INTERNAL_STORE);
        SSL_CTX_sess_set_cache_size(ctx, 1);
        return;
    }
    bool builtin = s->builtin_cache == TLS_CACHE_BUILTIN;
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER |
                                            (builtin ? 0 : SSL_SESS_CACHE_NO_INTERNAL));
    if (builtin && s->builtin_sessions > 0)
        SSL_CTX_sess_set_cache_size(ctx, (long)s->builtin_sessions);
    if (s->cache != NULL) {
        SSL_CTX_sess_set_new_cb(ctx, on_new);
        SSL_CTX_sess_set_get_cb(ctx, on_get);
        SSL_CTX_sess_set_remove_cb(ctx, on_remove);
    }
}

// OpenSSL renews a resumed session of TLS 1.3 from now, with its whole timeout, so that it would
// live for ever, and a client's revoked certificate with it. The end that the first handshake set
// travels in the ticket, and what remains is the timeout. The session is this connection's own
// here, which it is not in the other callbacks.
static int on_issue(SSL *ssl, void *arg)
{
    SSL_SESSION *session = SSL_get0_session(ssl);
    const struct tls_context *c = tls_first_context(ssl);
    int64_t now = time(NULL), end = now + SSL_CTX_get_timeout(c->ssl_ctx), *kept = NULL;
    size_t n = 0;

    (void)arg;
    if (session == NULL || SSL_version(ssl) != TLS1_3_VERSION)
        return 1;
    if (SSL_session_reused(ssl)) {
        end = min_of(end, now + SSL_SESSION_get_timeout(session));
        if (SSL_SESSION_get0_ticket_appdata(session, (void **)&kept, &n) && n == sizeof(end)) {
            int64_t first;
            memcpy(&first, kept, sizeof(first));
            end = min_of(end, first);
        }
    }
    if (end <= now) // an empty context is good for no server
        return SSL_SESSION_set1_id_context(session, (const unsigned char *)"", 0);
    SSL_SESSION_set_timeout(session, (long)(end - now));
    return SSL_SESSION_set1_ticket_appdata(session, &end, sizeof(end));
}

// SSL_CTX_set_tlsext_ticket_key_evp_cb(3).
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int sealing)
{
    const struct tls_context *c = tls_first_context(ssl);
    const struct tls_context_whole *w = container_of(c, struct tls_context_whole, open);
    struct tls_ticket_keys *keys = w->key_files != NULL ? w->key_files : c->settings->tickets;
    int rc = tls_ticket_keys_callback(keys, name, iv, cipher, mac, sealing);

    // Clients of TLS 1.3 use a ticket once (RFC 8446, C.4): without another one, every second
    // handshake would be a whole one.
    if (rc == 1 && !sealing && SSL_version(ssl) == TLS1_3_VERSION)
        return 2;
    return rc;
}

static int set_tickets(struct tls_context_whole *w, char *why)
{
    const struct tls_settings *s = w->open.settings;
    SSL_CTX *ctx = w->open.ssl_ctx;

    if (!s->session_tickets)
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_ticket_cb(ctx, on_issue, NULL, NULL);
    if (s->key_files != NULL) {
        int rc = tls_ticket_keys_load(s->key_files, &w->key_files, why);
        if (rc != 0)
            return rc;
    }
    // Else OpenSSL's own keys, made with the context: good for all silos forked from this process.
    if ((w->key_files != NULL || s->tickets != NULL) &&
        !SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket))
        return tls_fail(why, "SSL_CTX_set_tlsext_ticket_key_evp_cb() failed");
    return 0;
}

static bool hash_text(EVP_MD_CTX *md, const char *s)
{
    return s == NULL || EVP_DigestUpdate(md, s, strlen(s)) == 1;
}

static bool hash_certificate(EVP_MD_CTX *md, const X509 *x509)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n;

    return X509_digest(x509, EVP_sha1(), digest, &n) == 1 && EVP_DigestUpdate(md, digest, n) == 1;
}

static bool hash_names(EVP_MD_CTX *md, const STACK_OF(X509_NAME) *names)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n;

    for (int i = 0; i < sk_X509_NAME_num(names); i++)
        if (X509_NAME_digest(sk_X509_NAME_value(names, i), EVP_sha1(), digest, &n) != 1 ||
            EVP_DigestUpdate(md, digest, n) != 1)
            return false;
    return true;
}

// A resumed session is not verified again. So one that was made under other authorities or another
// list of revoked certificates must not be good here, though the names sent to clients be the same.
static bool hash_trust(EVP_MD_CTX *md, const struct tls_context *c)
{
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(c->ssl_ctx));
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n;

    if (c->settings->verify == TLS_VERIFY_OFF)
        return true;
    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        const X509_OBJECT *object = sk_X509_OBJECT_value(objects, i);
        const X509 *x509 = X509_OBJECT_get0_X509(object);
        const X509_CRL *crl = X509_OBJECT_get0_X509_CRL(object);
        if (x509 != NULL && !hash_certificate(md, x509))
            return false;
        if (crl != NULL && (X509_CRL_digest(crl, EVP_sha1(), digest, &n) != 1 ||
                            EVP_DigestUpdate(md, digest, n) != 1))
            return false;
    }
    return EVP_DigestUpdate(md, &c->settings->verify_depth,
                            sizeof(c->settings->verify_depth)) == 1;
}

// SHA-1 over the same things as nginx, where clients are not verified: with a key file of both, a
// ticket of one is good for the other. It names servers and guards nothing by itself.
static bool hash_identity(EVP_MD_CTX *md, const struct tls_context *c)
{
    if (EVP_DigestInit_ex(md, EVP_sha1(), NULL) != 1 || !hash_text(md, "HTTP"))
        return false;
    for (unsigned i = 0; i < c->ncertificates; i++)
        if (!hash_certificate(md, c->certificates[i].x509))
            return false;
    return hash_text(md, c->settings->id) &&
           hash_names(md, SSL_CTX_get_client_CA_list(c->ssl_ctx)) && hash_trust(md, c);
}

static int set_id(struct tls_context *c, char *why)
{
    unsigned char id[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool good = md != NULL && hash_identity(md, c) && EVP_DigestFinal_ex(md, id, &n) == 1 &&
                SSL_CTX_set_session_id_context(c->ssl_ctx, id, n) == 1;

    EVP_MD_CTX_free(md);
    return good ? 0 : tls_fail(why, "SSL_CTX_set_session_id_context() failed");
}

int tls_context_sessions(struct tls_context_whole *w, char *why)
{
    SSL_CTX_set_timeout(w->open.ssl_ctx, (long)w->open.settings->session_timeout_s);
    set_cache(&w->open);
    int rc = set_id(&w->open, why);
    return rc != 0 ? rc : set_tickets(w, why);
}
