// SPDX-License-Identifier: Apache-2.0
#include "lib/tls/kernel_flow.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define LOOKS_MAX 8
#define STATE_CLOSE 7 // TCP_CLOSE of the kernel's <net/tcp_states.h>

enum { RECORD_HEADER = 5, EXPLICIT_NONCE = 8, INNER_TYPE = 1, TAG = 16 };

union crypto_info {
    struct tls_crypto_info info;
    struct tls12_crypto_info_aes_gcm_128 aes_128;
    struct tls12_crypto_info_aes_gcm_256 aes_256;
    struct tls12_crypto_info_chacha20_poly1305 chacha20;
    struct tls12_crypto_info_aes_ccm_128 ccm_128;
};

// With TLS 1.2 all but ChaCha20 carry a part of the nonce (RFC 5288, 3; RFC 6655, 3; RFC 7905, 2);
// with TLS 1.3 the record's type is inside (RFC 8446, 5.2).
static const struct {
    uint16_t type;
    uint8_t size, seq, nonce;
} ciphers[] = {
#define CIPHER(number, member, bytes)                                                              \
    {.type = (number), .nonce = (bytes),                                                           \
     .size = sizeof(((union crypto_info *)0)->member),                                             \
     .seq = (uint8_t)(offsetof(union crypto_info, member.rec_seq))}
    CIPHER(TLS_CIPHER_AES_GCM_128, aes_128, EXPLICIT_NONCE),
    CIPHER(TLS_CIPHER_AES_GCM_256, aes_256, EXPLICIT_NONCE),
    CIPHER(TLS_CIPHER_AES_CCM_128, ccm_128, EXPLICIT_NONCE),
    CIPHER(TLS_CIPHER_CHACHA20_POLY1305, chacha20, 0),
#undef CIPHER
};

// The kernel gives the number of the next record together with the keys, which are wiped.
static int count_records(const struct tls_kernel_flow *f, int fd, uint64_t *records)
{
    union crypto_info crypto;
    socklen_t len = f->info;
    int rc = getsockopt(fd, SOL_TLS, TLS_TX, &crypto, &len) == 0 ? 0 : -errno;

    *records = 0;
    for (unsigned i = 0; rc == 0 && i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
        const unsigned char *p = (const unsigned char *)&crypto + ciphers[i].seq;
        if (ciphers[i].type != crypto.info.cipher_type)
            continue;
        for (unsigned at = 0; at < TLS_CIPHER_AES_GCM_128_REC_SEQ_SIZE; at++)
            *records = *records << 8 | p[at];
    }
    OPENSSL_cleanse(&crypto, sizeof(crypto));
    return rc;
}

static int look_at_tcp(int fd, struct tcp_info *info)
{
    socklen_t len = sizeof(*info);

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len) == 0 ? 0 : -errno;
}

// Bytes that TCP was given since its connection began: acknowledged ones, and those in its queue.
// They are two questions, and an acknowledgement may come in between.
static int count_bytes(int fd, struct tcp_info *info, int *queued, uint64_t *bytes)
{
    uint64_t before;
    int rc = look_at_tcp(fd, info);

    for (int i = 0; rc == 0 && i < LOOKS_MAX; i++) {
        before = info->tcpi_bytes_acked;
        if (ioctl(fd, SIOCOUTQ, queued) != 0)
            return -errno;
        rc = look_at_tcp(fd, info);
        *bytes = before + (uint64_t)*queued;
        if (rc == 0 && info->tcpi_bytes_acked == before)
            return 0;
    }
    return rc != 0 ? rc : -EAGAIN;
}

static void learn_cipher(struct tls_kernel_flow *f, int fd)
{
    struct tls_crypto_info info;
    socklen_t len = sizeof(info);

    if (getsockopt(fd, SOL_TLS, TLS_TX, &info, &len) != 0)
        return;
    for (unsigned i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
        if (ciphers[i].type != info.cipher_type)
            continue;
        f->info = ciphers[i].size;
        f->overhead = (uint8_t)(RECORD_HEADER + TAG + (info.version == TLS_1_3_VERSION
                                                           ? INNER_TYPE : ciphers[i].nonce));
    }
}

void tls_kernel_flow_begin(struct tls_kernel_flow *f, int fd, uint64_t payload)
{
    uint64_t records, bytes;
    struct tcp_info info;
    int queued;

    *f = (struct tls_kernel_flow){0};
    learn_cipher(f, fd);
    if (f->overhead != 0 && count_records(f, fd, &records) == 0 &&
        count_bytes(fd, &info, &queued, &bytes) == 0)
        f->base = bytes - payload - records * f->overhead;
    else
        f->overhead = 0;
}

uint64_t tls_kernel_held(const struct tls_kernel_flow *f, int fd, uint64_t payload)
{
    uint64_t records = 0, bytes = 0;
    struct tcp_info info = {0};
    int queued = 0;
    bool known = f->overhead != 0 && count_records(f, fd, &records) == 0;
    int rc = count_bytes(fd, &info, &queued, &bytes);

    if ((rc != 0 && rc != -EAGAIN) || info.tcpi_state == STATE_CLOSE)
        return 0;
    if (!known || rc != 0)
        return (uint64_t)queued;
    uint64_t sealed = f->base + payload + records * f->overhead;
    return sealed > bytes ? sealed - bytes : 0;
}
