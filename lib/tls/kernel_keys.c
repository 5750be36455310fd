// SPDX-License-Identifier: Apache-2.0
#include "lib/tls/kernel_keys.h"

#include <errno.h>
#include <linux/tls.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/check.h"
#include "lib/tls/kernel.h"
#include "lib/tls/record_priv.h"

#define SALT 4u // bytes of the iv that the kernel calls the salt of AES-GCM

struct tls_kernel_keys {
    enum tls_aead aead;
    uint8_t sending[TLS_SECRET_MAX], receiving[TLS_SECRET_MAX];
};

static void put_number(unsigned char *out, uint64_t n)
{
    for (int i = 7; i >= 0; i--, n >>= 8)
        out[i] = (unsigned char)n;
}

static int set(int fd, bool sending, void *info, size_t size)
{
    int rc = setsockopt(fd, SOL_TLS, sending ? TLS_TX : TLS_RX, info, (socklen_t)size);
    int err = errno;

    OPENSSL_cleanse(info, size);
    return rc == 0 ? 0 : -err;
}

static int install_aes_128(int fd, bool sending, const struct tls_traffic *keys)
{
    struct tls12_crypto_info_aes_gcm_128 info = {
        .info = {TLS_1_3_VERSION, TLS_CIPHER_AES_GCM_128}};

    memcpy(info.key, keys->key, sizeof(info.key));
    memcpy(info.salt, keys->iv, SALT);
    memcpy(info.iv, keys->iv + SALT, sizeof(info.iv));
    put_number(info.rec_seq, keys->seq);
    return set(fd, sending, &info, sizeof(info));
}

static int install_aes_256(int fd, bool sending, const struct tls_traffic *keys)
{
    struct tls12_crypto_info_aes_gcm_256 info = {
        .info = {TLS_1_3_VERSION, TLS_CIPHER_AES_GCM_256}};

    memcpy(info.key, keys->key, sizeof(info.key));
    memcpy(info.salt, keys->iv, SALT);
    memcpy(info.iv, keys->iv + SALT, sizeof(info.iv));
    put_number(info.rec_seq, keys->seq);
    return set(fd, sending, &info, sizeof(info));
}

static int install_chacha20(int fd, bool sending, const struct tls_traffic *keys)
{
    struct tls12_crypto_info_chacha20_poly1305 info = {
        .info = {TLS_1_3_VERSION, TLS_CIPHER_CHACHA20_POLY1305}};

    memcpy(info.key, keys->key, sizeof(info.key));
    memcpy(info.iv, keys->iv, sizeof(info.iv));
    put_number(info.rec_seq, keys->seq);
    return set(fd, sending, &info, sizeof(info));
}

int tls_kernel_install(int fd, bool sending, enum tls_aead aead, const struct tls_traffic *keys)
{
    switch (aead) {
    case TLS_AEAD_AES_128_GCM:
        return install_aes_128(fd, sending, keys);
    case TLS_AEAD_AES_256_GCM:
        return install_aes_256(fd, sending, keys);
    case TLS_AEAD_CHACHA20_POLY1305:
        return install_chacha20(fd, sending, keys);
    }
    return -EOPNOTSUPP;
}

struct tls_kernel_keys *tls_kernel_keys_keep(const SSL *ssl, const struct tls_secrets *secrets)
{
    struct tls_records *r = tls_records_new(ssl, secrets);
    struct tls_kernel_keys *k = r != NULL ? calloc(1, sizeof(*k)) : NULL;

    if (k != NULL) {
        k->aead = tls_records_aead(r);
        memcpy(k->sending, tls_records_sending(r)->secret, TLS_SECRET_MAX);
        memcpy(k->receiving, tls_records_receiving(r)->secret, TLS_SECRET_MAX);
    }
    tls_records_free(r);
    return k;
}

void tls_kernel_keys_free(struct tls_kernel_keys *k)
{
    if (k == NULL)
        return;
    OPENSSL_cleanse(k, sizeof(*k));
    free(k);
}

// The next secret of a direction, and its keys into the kernel.
static int advance(struct tls_kernel_keys *k, int fd, bool sending)
{
    struct tls_records *r = tls_records_from_secrets(k->aead, k->receiving, k->sending);

    if (r == NULL)
        return -ENOMEM;
    int rc = sending ? tls_records_update_sending(r) : tls_records_update_receiving(r);
    const struct tls_traffic *next = sending ? tls_records_sending(r) : tls_records_receiving(r);
    if (rc == 0)
        rc = tls_kernel_install(fd, sending, k->aead, next);
    if (rc == 0)
        memcpy(sending ? k->sending : k->receiving, next->secret, TLS_SECRET_MAX);
    tls_records_free(r);
    return rc;
}

int tls_kernel_keys_follow(struct tls_kernel_keys *k, int fd)
{
    return advance(k, fd, false);
}

int tls_kernel_keys_change(struct tls_kernel_keys *k, int fd)
{
    int rc = tls_kernel_key_update(fd);

    return rc == 0 ? advance(k, fd, true) : rc;
}
