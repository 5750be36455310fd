// SPDX-License-Identifier: Apache-2.0
//
// The key schedule behind the handshake (RFC 8446, 7.2 and 7.3): from a traffic secret to a key and
// an iv, and to the next secret. What OpenSSL looks up by name is looked up once for the process.
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <pthread.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/tls/key_schedule.h"
#include "lib/tls/record_priv.h"

static const struct suite {
    const char *cipher;
    enum tls_hash hash;
    uint8_t key_len, secret_len;
} suites[] = {
    [TLS_AEAD_AES_128_GCM] = {"AES-128-GCM", TLS_SHA256, 16, 32},
    [TLS_AEAD_AES_256_GCM] = {"AES-256-GCM", TLS_SHA384, 32, 48},
    [TLS_AEAD_CHACHA20_POLY1305] = {"ChaCha20-Poly1305", TLS_SHA256, 32, 32},
};

static EVP_CIPHER *ciphers[array_len(suites)]; // never freed, as OpenSSL's own
static pthread_once_t fetched_once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    for (size_t i = 0; i < array_len(suites); i++)
        ciphers[i] = EVP_CIPHER_fetch(NULL, suites[i].cipher, NULL);
}

size_t tls_secret_length(enum tls_aead aead)
{
    return suites[aead].secret_len;
}

// HKDF-Expand-Label(secret, label, "", n).
static bool expand(EVP_MD_CTX *md, const struct suite *suite, const uint8_t *secret,
                   struct sv label, uint8_t *out, size_t n)
{
    const struct tls_hkdf h = {.md = md, .hash = suite->hash};

    return tls_hkdf_expand(&h, sv_of((const char *)secret, suite->secret_len), label,
                           sv_of(NULL, 0), out, n) == 0;
}

static bool key_cipher(struct tls_direction *d, const EVP_CIPHER *cipher)
{
    if (d->cipher == NULL)
        d->cipher = EVP_CIPHER_CTX_new();
    return d->cipher != NULL && cipher != NULL &&
           EVP_CipherInit_ex2(d->cipher, cipher, d->traffic.key, NULL, d->sealing, NULL) == 1;
}

static EVP_MD_CTX *new_digest(void)
{
    pthread_once(&fetched_once, fetch);
    return tls_key_schedule_init() == 0 ? EVP_MD_CTX_new() : NULL;
}

// A direction that could not be keyed must not go on with its old key: it has none from then on.
static int settle(struct tls_direction *d, EVP_MD_CTX *md, bool done)
{
    EVP_MD_CTX_free(md);
    if (done)
        return 0;
    ERR_clear_error();
    tls_direction_drop(d);
    return -EIO;
}

static bool derive(struct tls_direction *d, EVP_MD_CTX *md, enum tls_aead aead)
{
    const struct suite *suite = &suites[aead];
    struct tls_traffic *t = &d->traffic;

    t->seq = 0;
    return expand(md, suite, t->secret, SV("tls13 key"), t->key, suite->key_len) &&
           expand(md, suite, t->secret, SV("tls13 iv"), t->iv, sizeof(t->iv)) &&
           key_cipher(d, ciphers[aead]);
}

int tls_direction_key(struct tls_direction *d, enum tls_aead aead)
{
    EVP_MD_CTX *md = new_digest();

    return settle(d, md, md != NULL && derive(d, md, aead));
}

int tls_direction_update(struct tls_direction *d, enum tls_aead aead)
{
    EVP_MD_CTX *md = new_digest();
    uint8_t next[TLS_SECRET_MAX];

    bool done = d->cipher != NULL && md != NULL &&
                expand(md, &suites[aead], d->traffic.secret, SV("tls13 traffic upd"), next,
                       suites[aead].secret_len);
    if (done) {
        memcpy(d->traffic.secret, next, suites[aead].secret_len);
        done = derive(d, md, aead);
    }
    OPENSSL_cleanse(next, sizeof(next));
    return settle(d, md, done);
}

// OpenSSL wipes the key schedule itself.
void tls_direction_drop(struct tls_direction *d)
{
    EVP_CIPHER_CTX_free(d->cipher);
    d->cipher = NULL;
    OPENSSL_cleanse(&d->traffic, sizeof(d->traffic));
}

bool tls_direction_begin(struct tls_direction *d, const uint8_t *header)
{
    const struct tls_traffic *t = &d->traffic;
    uint8_t nonce[TLS_NONCE];
    int n;

    memcpy(nonce, t->iv, sizeof(nonce));
    for (unsigned i = 0; i < sizeof(t->seq); i++)
        nonce[TLS_NONCE - 1 - i] ^= (uint8_t)(t->seq >> (8 * i));
    return EVP_CipherInit_ex2(d->cipher, NULL, NULL, nonce, -1, NULL) == 1 &&
           EVP_CipherUpdate(d->cipher, NULL, &n, header, TLS_RECORD_HEADER) == 1;
}
