// SPDX-License-Identifier: Apache-2.0
//
// The key schedule of TLS 1.3 (RFC 8446, 7.1): HKDF (RFC 5869) with its labels. Our record layer
// calls it, and OpenSSL does for the handshakes of contexts that are made with TLS_KEY_SCHEDULE:
// a provider (provider-kdf(7)) of that one function. A handshake derives some 25 times; OpenSSL 3.0
// looks the digest up by name each time. And this is where the secrets of a connection can be seen
// without having OpenSSL write a key log, of which most lines are for nobody.
#pragma once

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/compiler.h"
#include "lib/base/sv.h"

#define TLS_HASH_MAX 48 // bytes of a digest

// Property query for SSL_CTX_new_ex(3). Only a preference: what the provider has not, or where
// openssl.cnf demands others (FIPS), OpenSSL takes from elsewhere.
#define TLS_KEY_SCHEDULE "?provider=millrace"

enum tls_hash { TLS_SHA256, TLS_SHA384 };

// Fetches the digests and gives OpenSSL the provider; once for the process, before there are
// threads. 0, or -EIO: OpenSSL has not got them.
must_check int tls_key_schedule_init(void);

struct tls_hkdf {
    EVP_MD_CTX *md;     // borrowed; what stands in it is not kept
    enum tls_hash hash;
};

size_t tls_hash_size(enum tls_hash hash);
// HKDF-Extract(salt, secret) into `out` of the hash's size. The salt has at most TLS_HASH_MAX
// bytes. 0 or -EIO.
must_check int tls_hkdf_extract(const struct tls_hkdf *h, struct sv salt, struct sv secret,
                                uint8_t *out);
// HKDF-Expand-Label(secret, label, context, n); the label with its prefix "tls13 ". At most 255
// bytes of label and of context, TLS_HASH_MAX of the secret, 255 digests of output. 0 or -EIO.
must_check int tls_hkdf_expand(const struct tls_hkdf *h, struct sv secret, struct sv label,
                               struct sv context, uint8_t *out, size_t n);

// What this thread derives next under `label` ("tls13 s ap traffic") is told to `tap`, until it is
// called with NULL.
typedef void tls_key_tap(void *arg, struct sv label, const uint8_t *secret, size_t n);
void tls_key_schedule_tap(tls_key_tap *tap, void *arg);
