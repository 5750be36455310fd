// SPDX-License-Identifier: Apache-2.0
//
// The record layer of TLS 1.3 after the handshake (RFC 8446, 5 and 7), for connections that OpenSSL
// has finished its part of. OpenSSL keeps 14 KiB for each connection and copies what it seals
// twice; what is needed from here on is two keys, and records are sealed where they are sent from.
//
// The secrets are seen where they are derived (lib/tls/key_schedule.h) and go nowhere else. The SSL
// is freed when this layer takes over, so that no sequence number is ever used twice.
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/compiler.h"

#define TLS_SECRET_MAX 48

// One direction's traffic secret and what follows from it (RFC 8446, 7.3).
struct tls_traffic {
    uint8_t secret[TLS_SECRET_MAX];
    uint8_t key[32];
    uint8_t iv[12];
    uint64_t seq; // of the next record
};

enum tls_aead { TLS_AEAD_AES_128_GCM, TLS_AEAD_AES_256_GCM, TLS_AEAD_CHACHA20_POLY1305 };

// What the key schedule and the record callback leave during a handshake; a member of struct tls.
struct tls_secrets {
    uint8_t client[TLS_SECRET_MAX], server[TLS_SECRET_MAX];
    uint8_t client_len, server_len; // 0: not seen, or out of date
    bool counting;                  // the record callback is called for this connection
    uint64_t sent;                  // records that OpenSSL has sent under the server's secret
    uint64_t received;              // records that OpenSSL has read under the client's
};

// Makes `ctx` count in tls_of(ssl)->secrets. It must have been made with TLS_KEY_SCHEDULE, and so
// must every SSL_CTX that a connection may be moved to by its server name: the record callback is
// the first one's, the key schedule the last one's. Without one of the two, no secrets are seen.
void tls_secrets_watch(SSL_CTX *ctx);
// What OpenSSL derives on this thread goes to `s`, until it is called with NULL: around each call
// that may go on with a handshake.
void tls_secrets_tap(struct tls_secrets *s);
void tls_secrets_wipe(struct tls_secrets *s);

struct tls_records;

// From a finished handshake: the SSL must then be freed, and not be used for anything else before.
// NULL when this connection must stay with OpenSSL: another version or cipher, secrets not seen, a
// part of the client's bytes in OpenSSL's hands, a maximum fragment length, or no memory. What
// ssl_conf_command RecordPadding says cannot be seen from here: the caller must know.
struct tls_records *tls_records_new(const SSL *ssl, const struct tls_secrets *secrets);
void tls_records_free(struct tls_records *r); // wipes; NULL is allowed

enum tls_aead tls_records_aead(const struct tls_records *r);
// The keys, for the kernel (lib/tls/kernel.h); borrowed.
const struct tls_traffic *tls_records_sending(const struct tls_records *r);
const struct tls_traffic *tls_records_receiving(const struct tls_records *r);

// Bytes that sealing `n` bytes in records of `record_max` takes at most.
size_t tls_records_sealed_size(size_t n, size_t record_max);
// Seals `n` bytes of type application_data into `out`, which has the size above; `bytes` must not
// overlap it. *len is set, to less than the size above when no KeyUpdate went first. One does when
// it is owed, or before the key has sealed as many records as RFC 8446, 5.5 allows; n == 0 sends
// what is owed alone. 0, or -EIO when the layer is of no more use (OpenSSL has refused, or one call
// was for more records than a key may seal); nothing of `out` may be sent then.
must_check int tls_records_seal(struct tls_records *r, const char *bytes, size_t n,
                                size_t record_max, char *out, size_t *len);
// Puts an alert record into `out`, which has TLS_ALERT_SEALED bytes. 0 with *len set, or -EIO.
#define TLS_ALERT_SEALED 64
must_check int tls_records_alert(struct tls_records *r, uint8_t level, uint8_t description,
                                 char *out, size_t *len);

enum tls_opened {
    TLS_OPENED_DATA,   // *got bytes stand in buf
    TLS_OPENED_MORE,   // all of the input is taken; more is needed
    TLS_OPENED_CLOSED, // close_notify
    TLS_OPENED_BAD,    // `alert` is to be sent, and the connection closed
    TLS_OPENED_ABORT,  // the client's fatal alert, which is in `alert`
};

// Opens the next record of *in (which is advanced over what was taken; a part of a record is kept
// inside, in memory that lives as long as it is needed). `buf` has TLS_RECORD_MAX bytes at least.
// KeyUpdate is followed; one that is asked of us is owed until the next seal. Empty records,
// KeyUpdates and user_canceled are passed over, up to TLS_IDLE_RECORDS_MAX in a row. A
// change_cipher_spec is bad: behind the handshake none may come (RFC 8446, 5). The last three
// results are for good: what comes later is taken and thrown away.
#define TLS_IDLE_RECORDS_MAX 32
must_check enum tls_opened tls_records_open(struct tls_records *r, const char **in, size_t *in_len,
                                            char *buf, size_t size, size_t *got, uint8_t *alert);
// Nothing of a record is kept inside: the next byte of the network is a record's first.
bool tls_records_at_boundary(const struct tls_records *r);
bool tls_records_owes_update(const struct tls_records *r);
// New keys for a direction (RFC 8446, 7.2), without a word to the client: what the kernel needs
// after a KeyUpdate. 0, or -EIO: the direction is of no more use.
must_check int tls_records_update_sending(struct tls_records *r);
must_check int tls_records_update_receiving(struct tls_records *r);
