// SPDX-License-Identifier: Apache-2.0
//
// Reading PEM (RFC 7468): from a path, or from the value itself behind "data:"; keys also from
// "store:URI". For callers that keep what they read; tls_load_pair() is for those that don't.
#pragma once

#include <openssl/x509.h>

#include "lib/base/compiler.h"
#include "lib/base/sv.h"

// ssl_password_file, in memory until wiped. Zero-initialised: there is none.
struct tls_passwords {
    char *bytes;
    size_t size;
    struct sv *lines; // into `bytes`
    unsigned n;
};

// `path` may be NULL. 0, or -errno with `why` (TLS_ERROR_MAX bytes) filled.
must_check int tls_passwords_read(const char *path, struct tls_passwords *p, char *why);
void tls_passwords_wipe(struct tls_passwords *p);

// The certificate itself first, then those that vouch for it. Owned by the caller, freed by
// sk_X509_pop_free(). NULL with *error a static text in nginx's words, such as
// "BIO_new_file() failed"; details stand in OpenSSL's error queue.
STACK_OF(X509) *tls_load_chain(const char *path, const char **error);
// The same for a private key, freed by EVP_PKEY_free().
EVP_PKEY *tls_load_key(const char *path, const struct tls_passwords *passwords,
                       const char **error);

// The same two for who keeps what it has read.
struct tls_loader {
    STACK_OF(X509) *(*chain)(void *ctx, const char *path, const char **error);
    EVP_PKEY *(*key)(void *ctx, const char *path, const struct tls_passwords *passwords,
                     const char **error);
    void *ctx;
};

// How a path is told in messages: what stands behind "data:" may be a private key.
const char *tls_shown_path(const char *path);
