// SPDX-License-Identifier: Apache-2.0
//
// Certificates of clients: who may have signed them, which are revoked. The handshake never fails
// for them: what came of it is judged by the HTTP layer, which can answer with words (495, 496).
#include <openssl/err.h>
#include <openssl/x509.h>

#include "lib/tls/context_priv.h"
#include "lib/tls/load_priv.h"

static int accept_all(int ok, X509_STORE_CTX *store)
{
    (void)ok;
    (void)store;
    return 1;
}

static int compare_names(const X509_NAME *const *a, const X509_NAME *const *b)
{
    return X509_NAME_cmp(*a, *b);
}

// Those of `names` go to clients: which authorities they may choose a certificate of.
static bool add_name(STACK_OF(X509_NAME) *names, X509 *x509)
{
    X509_NAME *name = X509_NAME_dup(X509_get_subject_name(x509));

    if (name == NULL)
        return false;
    if (sk_X509_NAME_find(names, name) >= 0) {
        X509_NAME_free(name);
        return true;
    }
    if (sk_X509_NAME_push(names, name))
        return true;
    X509_NAME_free(name);
    return false;
}

// Trusts the certificates of the file. `names` may be NULL.
static int trust(struct tls_context *c, const char *path, STACK_OF(X509_NAME) *names, char *why)
{
    X509_STORE *store = SSL_CTX_get_cert_store(c->ssl_ctx);
    const char *error = "", *shown = tls_shown_path(path);
    STACK_OF(X509) *chain = tls_load_authorities(path, &error);
    int rc = 0;

    if (chain == NULL)
        return tls_fail(why, "cannot load certificate \"%s\": %s", shown, error);
    for (int i = 0; rc == 0 && i < sk_X509_num(chain); i++) {
        X509 *x509 = sk_X509_value(chain, i);
        if (X509_STORE_add_cert(store, x509) != 1)
            rc = tls_fail(why, "X509_STORE_add_cert(\"%s\") failed", shown);
        else if (names != NULL && !add_name(names, x509))
            rc = tls_fail(why, "X509_NAME_dup(\"%s\") failed", shown);
    }
    sk_X509_pop_free(chain, X509_free);
    return rc;
}

static int trust_named(struct tls_context *c, char *why)
{
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new(compare_names);

    if (names == NULL)
        return tls_fail(why, "sk_X509_NAME_new() failed");
    int rc = trust(c, c->settings->client_certificate, names, why);
    if (rc == 0)
        SSL_CTX_set_client_CA_list(c->ssl_ctx, names);
    else
        sk_X509_NAME_pop_free(names, X509_NAME_free);
    return rc;
}

static int revoke(struct tls_context *c, char *why)
{
    X509_STORE *store = SSL_CTX_get_cert_store(c->ssl_ctx);
    const char *error = "", *shown = tls_shown_path(c->settings->crl);
    STACK_OF(X509_CRL) *list = tls_load_crls(c->settings->crl, &error);
    int rc = 0;

    if (list == NULL)
        return tls_fail(why, "cannot load CRL \"%s\": %s", shown, error);
    for (int i = 0; rc == 0 && i < sk_X509_CRL_num(list); i++)
        if (X509_STORE_add_crl(store, sk_X509_CRL_value(list, i)) != 1)
            rc = tls_fail(why, "X509_STORE_add_crl(\"%s\") failed", shown);
    sk_X509_CRL_pop_free(list, X509_CRL_free);
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return rc;
}

int tls_context_verify(struct tls_context *c, char *why)
{
    const struct tls_settings *s = c->settings;
    bool verify = s->verify != TLS_VERIFY_OFF;
    int rc;

    if (verify && s->verify != TLS_VERIFY_OPTIONAL_NO_CA && s->client_certificate == NULL &&
        s->trusted_certificate == NULL)
        return tls_fail(why, "no ssl_client_certificate or ssl_trusted_certificate for "
                             "ssl_verify_client");
    SSL_CTX_set_verify(c->ssl_ctx, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, accept_all);
    SSL_CTX_set_verify_depth(c->ssl_ctx, s->verify_depth);
    if (verify && s->client_certificate != NULL && (rc = trust_named(c, why)) != 0)
        return rc;
    if (s->trusted_certificate != NULL &&
        (rc = trust(c, s->trusted_certificate, NULL, why)) != 0)
        return rc;
    return s->crl != NULL ? revoke(c, why) : 0;
}
