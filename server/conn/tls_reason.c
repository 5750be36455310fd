// SPDX-License-Identifier: Apache-2.0
#include "server/conn/tls_reason.h"

#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/tls/kernel.h"
#include "lib/tls/tls.h"
#include "server/conn/conn.h"
#include "server/tls/kernel_support.h"

#define REASONS_MAX 32 // distinct ones that are remembered; further ones are not told

static _Atomic uint64_t told[REASONS_MAX];

static bool is_new(const char *text)
{
    uint64_t hash = hash_bytes(text, strlen(text)) | 1;

    for (size_t i = 0; i < REASONS_MAX; i++) {
        uint64_t empty = 0;
        if (atomic_load(&told[i]) == hash)
            return false;
        if (atomic_compare_exchange_strong(&told[i], &empty, hash))
            return true;
        if (empty == hash)
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

// The direction that is missing.
static const char *refusal(const struct conn *c, const struct tls_kernel_features *f)
{
    uint32_t bit = cipher_bit(c->tls->ssl);

    if (!(bit & (c->tls13 ? f->send_1_3 : f->send_1_2)))
        return "the kernel does not send with";
    if (c->security == CONN_SECURITY_userspace)
        return "OpenSSL did not let the kernel send with";
    if (!(bit & (c->tls13 ? f->receive_1_3 : f->receive_1_2)))
        return "the kernel does not receive with";
    return "OpenSSL did not let the kernel receive with";
}

void tls_reason_report(struct conn *c)
{
    static const char *const names[] = {
#define SECURITY(name, text) text,
        CONN_SECURITIES(SECURITY)
#undef SECURITY
    };
    const struct tls_kernel_features *f = server_tls_kernel();
    const SSL *ssl = c->tls->ssl;
    char why[256];

    if (!c->tls->context->kernel)
        snprintf(why, sizeof(why), "Options -KTLS is configured");
    else if (f->error != 0)
        snprintf(why, sizeof(why), "the kernel has no TLS (%s)", strerror(f->error));
    else
        snprintf(why, sizeof(why), "%s %s, %s (%s)", refusal(c, f), SSL_get_version(ssl),
                 SSL_get_cipher_name(ssl), OpenSSL_version(OPENSSL_VERSION));
    if (is_new(why))
        log_info(0, "TLS transport \"%s\", because %s", names[c->security], why);
}
