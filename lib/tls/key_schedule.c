// SPDX-License-Identifier: Apache-2.0
#include "lib/tls/key_schedule.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <pthread.h>
#include <string.h>

#include "lib/tls/key_schedule_priv.h"

#define BLOCK_MAX 128u        // of SHA-384
#define LABEL_MAX 255u        // bytes; of the context too
#define INFO_MAX (2 + 1 + LABEL_MAX + 1 + LABEL_MAX + 1)

static const struct {
    const char *name;
    size_t size, block; // bytes
} hashes[] = {
    [TLS_SHA256] = {"SHA2-256", 32, 64},
    [TLS_SHA384] = {"SHA2-384", 48, 128},
};

static const EVP_MD *digests[array_len(hashes)]; // never freed, as OpenSSL's own
static bool ready;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init(void)
{
    bool found = true;

    for (size_t i = 0; i < array_len(hashes); i++) {
        digests[i] = EVP_MD_fetch(NULL, hashes[i].name, NULL);
        found = found && digests[i] != NULL;
    }
    // Without the provider everything works, but slower, and with OpenSSL's records.
    ready = found;
    if (found)
        tls_key_provider_load();
    ERR_clear_error();
}

int tls_key_schedule_init(void)
{
    pthread_once(&once, init);
    return ready ? 0 : -EIO;
}

size_t tls_hash_size(enum tls_hash hash)
{
    return hashes[hash].size;
}

const EVP_MD *tls_hash_md(enum tls_hash hash)
{
    return digests[hash];
}

// HMAC (RFC 2104), a message of two parts. The key is not longer than a digest.
static bool hmac(const struct tls_hkdf *h, struct sv key, struct sv first, struct sv second,
                 uint8_t *out)
{
    const EVP_MD *digest = digests[h->hash];
    size_t size = hashes[h->hash].size, block = hashes[h->hash].block;
    uint8_t pad[BLOCK_MAX], inner[TLS_HASH_MAX];

    if (key.n > TLS_HASH_MAX)
        return false;
    memset(pad, 0x36, block);
    for (size_t i = 0; i < key.n; i++)
        pad[i] ^= (uint8_t)key.p[i];
    bool done = EVP_DigestInit_ex2(h->md, digest, NULL) == 1 &&
                EVP_DigestUpdate(h->md, pad, block) == 1 &&
                EVP_DigestUpdate(h->md, first.p, first.n) == 1 &&
                EVP_DigestUpdate(h->md, second.p, second.n) == 1 &&
                EVP_DigestFinal_ex(h->md, inner, NULL) == 1;
    for (size_t i = 0; i < block; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    done = done && EVP_DigestInit_ex2(h->md, digest, NULL) == 1 &&
           EVP_DigestUpdate(h->md, pad, block) == 1 &&
           EVP_DigestUpdate(h->md, inner, size) == 1 && EVP_DigestFinal_ex(h->md, out, NULL) == 1;
    OPENSSL_cleanse(pad, sizeof(pad));
    OPENSSL_cleanse(inner, sizeof(inner));
    return done;
}

int tls_hkdf_extract(const struct tls_hkdf *h, struct sv salt, struct sv secret, uint8_t *out)
{
    return hmac(h, salt, secret, sv_of("", 0), out) ? 0 : -EIO;
}

// HKDF-Expand's output block after block: each is the HMAC of the one before, the info and a
// number, which stands behind the info here.
static bool expand(const struct tls_hkdf *h, struct sv secret, char *info, size_t info_len,
                   uint8_t *out, size_t n)
{
    uint8_t block[TLS_HASH_MAX];
    size_t size = hashes[h->hash].size, before = 0;
    bool done = n <= 255 * size;

    for (unsigned char i = 1; done && n != 0; i++) {
        info[info_len] = (char)i;
        done = hmac(h, secret, sv_of((const char *)block, before), sv_of(info, info_len + 1),
                    block);
        if (done) {
            size_t part = min_of(n, size);
            memcpy(out, block, part);
            out += part;
            n -= part;
            before = size;
        }
    }
    OPENSSL_cleanse(block, sizeof(block));
    return done;
}

int tls_hkdf_expand(const struct tls_hkdf *h, struct sv secret, struct sv label,
                    struct sv context, uint8_t *out, size_t n)
{
    char info[INFO_MAX], *p = info;

    if (label.n > LABEL_MAX || context.n > LABEL_MAX || n > UINT16_MAX)
        return -EIO;
    *p++ = (char)(n >> 8);
    *p++ = (char)n;
    *p++ = (char)label.n;
    p = mempcpy(p, label.p, label.n);
    *p++ = (char)context.n;
    if (context.n != 0)
        p = mempcpy(p, context.p, context.n);
    return expand(h, secret, info, (size_t)(p - info), out, n) ? 0 : -EIO;
}
