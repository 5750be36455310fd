// SPDX-License-Identifier: Apache-2.0
//
// What can be seen of a handshake: the traffic secrets, where the key schedule derives them, and
// how many records OpenSSL has sent and read under them, by its record callback
// (SSL_CTX_set_msg_callback(3) names each record's header). A secret is derived before its first
// record, so the count begins with it. Nothing is written anywhere.
#include <openssl/crypto.h>
#include <string.h>

#include "lib/tls/context.h"
#include "lib/tls/key_schedule.h"
#include "lib/tls/record_layer.h"
#include "lib/tls/tls.h"

static bool take(struct sv label, struct sv wanted, const uint8_t *secret, size_t n, uint8_t *out,
                 uint8_t *len)
{
    if (label.n != wanted.n || memcmp(label.p, wanted.p, label.n) != 0)
        return false;
    *len = n <= TLS_SECRET_MAX ? (uint8_t)n : 0;
    memcpy(out, secret, *len);
    return true;
}

// A handshake has sent and read records before it has these secrets. If none was counted, the SSL
// was made by a context without our record callback, and a count of 0 would be a lie.
static void on_secret(void *arg, struct sv label, const uint8_t *secret, size_t n)
{
    struct tls_secrets *s = arg;

    if (!s->counting)
        return;
    if (take(label, SV("tls13 s ap traffic"), secret, n, s->server, &s->server_len))
        s->sent = 0;
    else if (take(label, SV("tls13 c ap traffic"), secret, n, s->client, &s->client_len))
        s->received = 0;
}

// With a KeyUpdate, sent or read, the secrets that were seen are the past.
static void on_message(int sending, int version, int type, const void *bytes, size_t n, SSL *ssl,
                       void *arg)
{
    struct tls *t = tls_of(ssl);

    (void)version;
    (void)arg;
    if (t == NULL)
        return;
    if (type == SSL3_RT_HEADER) {
        t->secrets.counting = true;
        if (sending)
            t->secrets.sent++;
        else
            t->secrets.received++;
    } else if (type == SSL3_RT_HANDSHAKE && n != 0 &&
               *(const uint8_t *)bytes == SSL3_MT_KEY_UPDATE) {
        tls_secrets_wipe(&t->secrets);
    }
}

void tls_secrets_watch(SSL_CTX *ctx)
{
    SSL_CTX_set_msg_callback(ctx, on_message);
}

void tls_secrets_tap(struct tls_secrets *s)
{
    tls_key_schedule_tap(s != NULL ? on_secret : NULL, s);
}

void tls_secrets_wipe(struct tls_secrets *s)
{
    OPENSSL_cleanse(s, sizeof(*s));
}
