// SPDX-License-Identifier: Apache-2.0
#include "server/conn/tls_reason.h"

#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/tls/kernel.h"
#include "lib/tls/tls.h"
#include "server/conn/conn.h"
#include "server/tls/kernel_support.h"

#define REASONS_MAX 32 // distinct ones that are remembered; further ones are not told

static _Atomic uint64_t told[REASONS_MAX];

// `reason` is not 0.
static bool is_new(uint64_t reason)
{
    for (size_t i = 0; i < REASONS_MAX; i++) {
        uint64_t empty = 0;
        if (atomic_load(&told[i]) == reason)
            return false;
        if (atomic_compare_exchange_strong(&told[i], &empty, reason))
            return true;
        if (empty == reason)
            return false;
    }
    return false;
}

static uint32_t cipher_bit(const SSL *ssl)
{
    switch (SSL_CIPHER_get_cipher_nid(SSL_get_current_cipher(ssl))) {
    case NID_aes_128_gcm:
        return TLS_KERNEL_AES_128_GCM;
    case NID_aes_256_gcm:
        return TLS_KERNEL_AES_256_GCM;
    case NID_chacha20_poly1305:
        return TLS_KERNEL_CHACHA20;
    case NID_aes_128_ccm:
        return TLS_KERNEL_CCM_128;
    default:
        return 0;
    }
}

enum why { BY_OPTION = 1, BY_KERNEL, NO_SEND, SEND_UNUSED, NO_RECEIVE, RECEIVE_UNUSED };

static enum why why_not(const struct conn *c, const struct tls_kernel_features *f)
{
    uint32_t bit = cipher_bit(c->tls->ssl);

    if (!c->tls->context->kernel)
        return BY_OPTION;
    if (f->error != 0)
        return BY_KERNEL;
    if (!(bit & (c->tls13 ? f->send_1_3 : f->send_1_2)))
        return NO_SEND;
    if (c->security == CONN_SECURITY_userspace)
        return SEND_UNUSED;
    if (!(bit & (c->tls13 ? f->receive_1_3 : f->receive_1_2)))
        return NO_RECEIVE;
    return RECEIVE_UNUSED;
}

static void describe(const SSL *ssl, enum why why, int error, char *out, size_t size)
{
    static const char *const directions[] = {
        [NO_SEND] = "the kernel does not send with",
        [SEND_UNUSED] = "OpenSSL did not let the kernel send with",
        [NO_RECEIVE] = "the kernel does not receive with",
        [RECEIVE_UNUSED] = "OpenSSL did not let the kernel receive with",
    };

    if (why == BY_OPTION)
        snprintf(out, size, "Options -KTLS is configured");
    else if (why == BY_KERNEL)
        snprintf(out, size, "the kernel has no TLS (%s)", strerror(error));
    else
        snprintf(out, size, "%s %s, %s (%s)", directions[why], SSL_get_version(ssl),
                 SSL_get_cipher_name(ssl), OpenSSL_version(OPENSSL_VERSION));
}

// The text is made once for each reason, not for each handshake.
void tls_reason_report(struct conn *c)
{
    const struct tls_kernel_features *f = server_tls_kernel();
    const SSL *ssl = c->tls->ssl;
    enum why why = why_not(c, f);
    uint64_t reason = why;
    char text[256];

    if (why > BY_KERNEL)
        reason |= (uint64_t)SSL_CIPHER_get_id(SSL_get_current_cipher(ssl)) << 32 |
                  (uint64_t)SSL_version(ssl) << 8;
    if (!is_new(reason))
        return;
    describe(ssl, why, f->error, text, sizeof(text));
    log_info(0, "TLS transport \"%s\", because %s",
             conn_security_name((enum conn_security)c->security), text);
}
