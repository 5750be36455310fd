// SPDX-License-Identifier: Apache-2.0
//
// A TLS context with a certificate of its own, whose connections' secrets are watched.
#pragma once

#include <criterion/criterion.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "lib/tls/ticket_keys.h"
#include "lib/tls/tls.h"

static struct tls_settings settings;
static struct tls_pair pair;
static struct tls_context *context;
static X509 *certificate;
static EVP_PKEY *key;

static inline char *to_data(BIO *bio)
{
    char *pem, *text;
    long n = BIO_get_mem_data(bio, &pem);

    cr_assert_gt(asprintf(&text, "data:%.*s", (int)n, pem), 0);
    BIO_free(bio);
    return text;
}

static inline void make_pair(void)
{
    BIO *x = BIO_new(BIO_s_mem()), *k = BIO_new(BIO_s_mem());

    key = EVP_EC_gen("P-256");
    certificate = X509_new();
    X509_set_pubkey(certificate, key);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    X509_sign(certificate, key, EVP_sha256());
    PEM_write_bio_X509(x, certificate);
    PEM_write_bio_PrivateKey(k, key, NULL, NULL, 0, NULL, NULL);
    pair = (struct tls_pair){to_data(x), to_data(k)};
}

static inline void make_context(void)
{
    char why[TLS_ERROR_MAX];

    make_pair();
    settings.pairs = &pair;
    settings.npairs = 1;
    settings.protocols = TLS_1_2 | TLS_1_3;
    settings.session_timeout_s = 300;
    settings.session_tickets = true;
    settings.tickets = tls_ticket_keys_new();
    settings.verify_depth = 1;
    cr_assert_eq(tls_context_make(&settings, NULL, &context, why, NULL), 0, "%s", why);
    tls_secrets_watch(context->ssl_ctx);
}
