// SPDX-License-Identifier: Apache-2.0
//
// What OpenSSL lets see of a handshake: the traffic secrets, in the lines of its key log, and how
// many records it has sent and read under them, by its record callback (SSL_CTX_set_msg_callback(3)
// names each record's header). A secret is logged before its first record, so the count begins with
// the line. Nothing is written anywhere.
#include <openssl/crypto.h>
#include <string.h>

#include "lib/tls/context.h"
#include "lib/tls/record_layer.h"
#include "lib/tls/tls.h"

#define RANDOM_HEX 64u // the client's random: 32 bytes

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The bytes of `hex` up to its end. 0 when it is not hexadecimal or too long.
static uint8_t read_hex(const char *hex, uint8_t *out)
{
    size_t n = 0;

    for (; hex[2 * n] != '\0'; n++) {
        int high = hex_digit(hex[2 * n]);
        int low = high >= 0 ? hex_digit(hex[2 * n + 1]) : -1;
        if (low < 0 || n == TLS_SECRET_MAX)
            return 0;
        out[n] = (uint8_t)(high << 4 | low);
    }
    return (uint8_t)n;
}

// "LABEL <random> <secret>", if it is of this label. false: another line.
static bool read_line(const char *line, const char *label, uint8_t *secret, uint8_t *len)
{
    size_t skip = strlen(label);

    if (strncmp(line, label, skip) != 0)
        return false;
    line += skip;
    bool is_whole = strnlen(line, RANDOM_HEX + 1) == RANDOM_HEX + 1 && line[RANDOM_HEX] == ' ';
    *len = is_whole ? read_hex(line + RANDOM_HEX + 1, secret) : 0;
    return true;
}

// A handshake has sent and read records before it has these secrets. If none was counted, the SSL
// was made by a context without our record callback, and a count of 0 would be a lie.
static void on_line(const SSL *ssl, const char *line)
{
    struct tls *t = tls_of(ssl);

    if (t == NULL || !t->secrets.counting)
        return;
    struct tls_secrets *s = &t->secrets;
    if (read_line(line, "SERVER_TRAFFIC_SECRET_0 ", s->server, &s->server_len))
        s->sent = 0;
    else if (read_line(line, "CLIENT_TRAFFIC_SECRET_0 ", s->client, &s->client_len))
        s->received = 0;
}

// With a KeyUpdate, sent or read, the secrets that were logged are the past.
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
    SSL_CTX_set_keylog_callback(ctx, on_line);
    SSL_CTX_set_msg_callback(ctx, on_message);
}

void tls_secrets_wipe(struct tls_secrets *s)
{
    OPENSSL_cleanse(s, sizeof(*s));
}
