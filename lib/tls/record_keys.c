// SPDX-License-Identifier: Apache-2.0
//
// The key schedule behind the handshake (RFC 8446, 7.2 and 7.3): from a traffic secret to a key and
// an iv, and to the next secret. What OpenSSL looks up by name is looked up once for the process.
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <pthread.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/tls/record_priv.h"

static const struct suite {
    const char *cipher, *digest;
    uint8_t key_len, secret_len;
} suites[] = {
    [TLS_AEAD_AES_128_GCM] = {"AES-128-GCM", "SHA256", 16, 32},
    [TLS_AEAD_AES_256_GCM] = {"AES-256-GCM", "SHA384", 32, 48},
    [TLS_AEAD_CHACHA20_POLY1305] = {"ChaCha20-Poly1305", "SHA256", 32, 32},
};

static struct {
    EVP_CIPHER *ciphers[array_len(suites)]; // never freed, as OpenSSL's own
    EVP_KDF *kdf;
} fetched;
static pthread_once_t fetched_once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    for (size_t i = 0; i < array_len(suites); i++)
        fetched.ciphers[i] = EVP_CIPHER_fetch(NULL, suites[i].cipher, NULL);
    fetched.kdf = EVP_KDF_fetch(NULL, "TLS13-KDF", NULL);
}

size_t tls_secret_length(enum tls_aead aead)
{
    return suites[aead].secret_len;
}

static OSSL_PARAM octets(const char *name, const void *p, size_t n)
{
    return OSSL_PARAM_construct_octet_string(name, (void *)p, n); // it is only read
}

// HKDF-Expand-Label(secret, label, "", n).
static bool expand(EVP_KDF_CTX *kdf, const struct suite *suite, const uint8_t *secret,
                   const char *label, uint8_t *out, size_t n)
{
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)suite->digest, 0),
        octets(OSSL_KDF_PARAM_KEY, secret, suite->secret_len),
        octets(OSSL_KDF_PARAM_PREFIX, "tls13 ", 6),
        octets(OSSL_KDF_PARAM_LABEL, label, strlen(label)),
        OSSL_PARAM_construct_end(),
    };

    return EVP_KDF_derive(kdf, out, n, params) == 1;
}

static bool key_cipher(struct tls_direction *d, const EVP_CIPHER *cipher)
{
    if (d->cipher == NULL)
        d->cipher = EVP_CIPHER_CTX_new();
    return d->cipher != NULL && cipher != NULL &&
           EVP_CipherInit_ex2(d->cipher, cipher, d->traffic.key, NULL, d->sealing, NULL) == 1;
}

static EVP_KDF_CTX *new_kdf(void)
{
    pthread_once(&fetched_once, fetch);
    return fetched.kdf != NULL ? EVP_KDF_CTX_new(fetched.kdf) : NULL;
}

// A direction that could not be keyed must not go on with its old key: it has none from then on.
static int settle(struct tls_direction *d, EVP_KDF_CTX *kdf, bool done)
{
    EVP_KDF_CTX_free(kdf);
    if (done)
        return 0;
    ERR_clear_error();
    tls_direction_drop(d);
    return -EIO;
}

static bool derive(struct tls_direction *d, EVP_KDF_CTX *kdf, enum tls_aead aead)
{
    const struct suite *suite = &suites[aead];
    struct tls_traffic *t = &d->traffic;

    t->seq = 0;
    return expand(kdf, suite, t->secret, "key", t->key, suite->key_len) &&
           expand(kdf, suite, t->secret, "iv", t->iv, sizeof(t->iv)) &&
           key_cipher(d, fetched.ciphers[aead]);
}

int tls_direction_key(struct tls_direction *d, enum tls_aead aead)
{
    EVP_KDF_CTX *kdf = new_kdf();

    return settle(d, kdf, kdf != NULL && derive(d, kdf, aead));
}

int tls_direction_update(struct tls_direction *d, enum tls_aead aead)
{
    EVP_KDF_CTX *kdf = new_kdf();
    uint8_t next[TLS_SECRET_MAX];

    bool done = d->cipher != NULL && kdf != NULL &&
                expand(kdf, &suites[aead], d->traffic.secret, "traffic upd", next,
                       suites[aead].secret_len);
    if (done) {
        memcpy(d->traffic.secret, next, suites[aead].secret_len);
        done = derive(d, kdf, aead);
    }
    OPENSSL_cleanse(next, sizeof(next));
    return settle(d, kdf, done);
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
