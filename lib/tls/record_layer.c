// SPDX-License-Identifier: Apache-2.0
//
// The record layer's beginning and end, and its way out: bytes become records in the memory they
// are sent from. How records come in is in record_open.c.
#include "lib/tls/record_layer.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/tls/kernel.h"
#include "lib/tls/record_priv.h"
#include "lib/tls/tls.h"

#define RECORD_OVERHEAD (TLS_RECORD_HEADER + 1u + TLS_TAG)
#define KEY_UPDATE_SEALED (5u + RECORD_OVERHEAD)

static const char key_update[5] = {SSL3_MT_KEY_UPDATE, 0, 0, 1, SSL_KEY_UPDATE_NOT_REQUESTED};

struct tls_records *tls_records_from_secrets(enum tls_aead aead, const uint8_t *client,
                                             const uint8_t *server)
{
    struct tls_records *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->aead = aead;
    r->state = TLS_OPENED_MORE;
    r->update_after = TLS_UPDATE_AFTER;
    r->sending.sealing = true;
    memcpy(r->sending.traffic.secret, server, tls_secret_length(aead));
    memcpy(r->receiving.traffic.secret, client, tls_secret_length(aead));
    if (tls_direction_key(&r->sending, aead) == 0 && tls_direction_key(&r->receiving, aead) == 0)
        return r;
    tls_records_free(r);
    return NULL;
}

static bool find_aead(const SSL *ssl, enum tls_aead *aead)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);

    switch (cipher != NULL ? SSL_CIPHER_get_id(cipher) : 0) {
    case TLS1_3_CK_AES_128_GCM_SHA256:
        *aead = TLS_AEAD_AES_128_GCM;
        return true;
    case TLS1_3_CK_AES_256_GCM_SHA384:
        *aead = TLS_AEAD_AES_256_GCM;
        return true;
    case TLS1_3_CK_CHACHA20_POLY1305_SHA256:
        *aead = TLS_AEAD_CHACHA20_POLY1305;
        return true;
    default:
        return false;
    }
}

// Nothing is half done inside: no bytes of the client, not even a record's header (of which
// SSL_has_pending(3) says nothing), nothing that still has to be written, no limit on records that
// only OpenSSL knows of.
static bool is_at_rest(const SSL *ssl)
{
    const SSL_SESSION *session = SSL_get_session(ssl);

    return SSL_is_init_finished(ssl) && !SSL_has_pending(ssl) &&
           strcmp(SSL_rstate_string(ssl), "RH") == 0 && !SSL_want_write(ssl) &&
           SSL_get_shutdown(ssl) == 0 && SSL_get_key_update_type(ssl) == SSL_KEY_UPDATE_NONE &&
           session != NULL &&
           SSL_SESSION_get_max_fragment_length(session) == TLSEXT_max_fragment_length_DISABLED;
}

struct tls_records *tls_records_new(const SSL *ssl, const struct tls_secrets *secrets)
{
    enum tls_aead aead;

    if (SSL_version(ssl) != TLS1_3_VERSION || !find_aead(ssl, &aead) || !is_at_rest(ssl))
        return NULL;
    if (secrets->client_len != tls_secret_length(aead) ||
        secrets->server_len != tls_secret_length(aead))
        return NULL;
    struct tls_records *r = tls_records_from_secrets(aead, secrets->client, secrets->server);
    if (r == NULL)
        return NULL;
    r->sending.traffic.seq = secrets->sent;
    r->receiving.traffic.seq = secrets->received;
    return r;
}

void tls_records_free(struct tls_records *r)
{
    if (r == NULL)
        return;
    tls_direction_drop(&r->sending);
    tls_direction_drop(&r->receiving);
    free(r->part); // still sealed
    free(r);
}

enum tls_aead tls_records_aead(const struct tls_records *r)
{
    return r->aead;
}

const struct tls_traffic *tls_records_sending(const struct tls_records *r)
{
    return &r->sending.traffic;
}

const struct tls_traffic *tls_records_receiving(const struct tls_records *r)
{
    return &r->receiving.traffic;
}

bool tls_records_owes_update(const struct tls_records *r)
{
    return r->owes_update;
}

int tls_records_update_sending(struct tls_records *r)
{
    r->owes_update = false;
    return tls_direction_update(&r->sending, r->aead);
}

int tls_records_update_receiving(struct tls_records *r)
{
    return tls_direction_update(&r->receiving, r->aead);
}

size_t tls_records_sealed_size(size_t n, size_t record_max)
{
    check(record_max != 0 && record_max <= TLS_RECORD_MAX);
    return n + (n + record_max - 1) / record_max * RECORD_OVERHEAD + KEY_UPDATE_SEALED;
}

// Below this size, copying costs less than another call for the type behind the content.
#define COPY_BELOW 4096u

static bool encrypt(EVP_CIPHER_CTX *cipher, uint8_t type, const uint8_t *bytes, size_t n,
                    uint8_t *out)
{
    int len;
    bool done;

    if (n < COPY_BELOW) {
        if (n != 0) // an empty content may be at a null pointer
            memcpy(out, bytes, n);
        out[n] = type;
        done = EVP_EncryptUpdate(cipher, out, &len, out, (int)n + 1) == 1;
    } else {
        done = EVP_EncryptUpdate(cipher, out, &len, bytes, (int)n) == 1 &&
               EVP_EncryptUpdate(cipher, out + n, &len, &type, 1) == 1;
    }
    return done && EVP_EncryptFinal_ex(cipher, out + n + 1, &len) == 1 &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TLS_TAG, out + n + 1) == 1;
}

// One record at *out, which goes on behind it. Without a key from then on when it fails: half a
// record may stand there, under a nonce that must not be used again.
static bool seal_record(struct tls_direction *d, uint8_t type, const void *bytes, size_t n,
                        uint8_t **out)
{
    uint8_t *header = *out;
    size_t sealed = n + 1 + TLS_TAG;

    if (d->cipher == NULL)
        return false;
    header[0] = TLS_APPLICATION_DATA;
    header[1] = TLS1_2_VERSION_MAJOR;
    header[2] = TLS1_2_VERSION_MINOR;
    header[3] = (uint8_t)(sealed >> 8);
    header[4] = (uint8_t)sealed;
    if (d->traffic.seq >= TLS_KEY_RECORDS_MAX || !tls_direction_begin(d, header) ||
        !encrypt(d->cipher, type, bytes, n, header + TLS_RECORD_HEADER)) {
        ERR_clear_error();
        tls_direction_drop(d);
        return false;
    }
    d->traffic.seq++;
    *out = header + TLS_RECORD_HEADER + sealed;
    return true;
}

// The last record under the old key says that new ones follow.
static bool seal_key_update(struct tls_records *r, uint8_t **out)
{
    return seal_record(&r->sending, TLS_HANDSHAKE, key_update, sizeof(key_update), out) &&
           tls_records_update_sending(r) == 0;
}

static bool seal_all(struct tls_records *r, const char *bytes, size_t n, size_t record_max,
                     uint8_t **out)
{
    if ((r->owes_update || r->sending.traffic.seq >= r->update_after) && !seal_key_update(r, out))
        return false;
    while (n != 0) {
        size_t part = min_of(n, record_max);
        if (!seal_record(&r->sending, TLS_APPLICATION_DATA, bytes, part, out))
            return false;
        bytes += part;
        n -= part;
    }
    return true;
}

int tls_records_seal(struct tls_records *r, const char *bytes, size_t n, size_t record_max,
                     char *out, size_t *len)
{
    uint8_t *end = (uint8_t *)out;

    check(record_max != 0 && record_max <= TLS_RECORD_MAX);
    *len = 0;
    if (!seal_all(r, bytes, n, record_max, &end))
        return -EIO;
    *len = (size_t)((char *)end - out);
    return 0;
}

int tls_records_alert(struct tls_records *r, uint8_t level, uint8_t description, char *out,
                      size_t *len)
{
    const uint8_t alert[2] = {level, description};
    uint8_t *end = (uint8_t *)out;

    *len = 0;
    if (!seal_record(&r->sending, TLS_ALERT, alert, sizeof(alert), &end))
        return -EIO;
    *len = (size_t)((char *)end - out);
    return 0;
}
