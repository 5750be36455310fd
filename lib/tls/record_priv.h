// SPDX-License-Identifier: Apache-2.0
//
// What the files of the record layer share: record_keys.c makes keys of secrets, record_layer.c
// seals, record_open.c opens.
#pragma once

#include <openssl/evp.h>

#include "lib/tls/kernel.h"
#include "lib/tls/record_layer.h"

#define TLS_RECORD_HEADER 5u
#define TLS_TAG 16u   // of all three AEADs
#define TLS_NONCE 12u
// A type byte and a tag at least; and one content of full size with no padding at most: the room
// that RFC 8446, 5.2 has for larger tags, none of these AEADs needs.
#define TLS_SEALED_MIN (1u + TLS_TAG)
#define TLS_SEALED_MAX (16384u + 1u + TLS_TAG)

// AES-GCM is good for 2^24.5 records of full size under one key (RFC 8446, 5.5).
#define TLS_UPDATE_AFTER ((uint64_t)1 << 24)
#define TLS_KEY_RECORDS_MAX ((uint64_t)23726566)

// One direction. Its cipher is keyed once for each key; a record sets the nonce alone.
struct tls_direction {
    struct tls_traffic traffic;
    EVP_CIPHER_CTX *cipher; // owned; NULL: of no more use
    bool sealing;
};

struct tls_records {
    enum tls_aead aead;
    struct tls_direction sending, receiving;
    uint64_t update_after;  // records under one key; TLS_UPDATE_AFTER but for tests
    bool owes_update;
    uint8_t idle;           // records in a row that brought nothing
    uint8_t alert;          // of `state`
    uint8_t head_len;
    enum tls_opened state;  // TLS_OPENED_MORE, or what it has ended with
    // A record that has come in part: its header, and when that is whole, header and body.
    uint8_t head[TLS_RECORD_HEADER];
    uint16_t have, want;    // bytes of `part`
    uint8_t *part;          // owned; NULL: none
};

// From secrets of the AEAD's hash length; both sequence numbers are 0. NULL when memory is out.
struct tls_records *tls_records_from_secrets(enum tls_aead aead, const uint8_t *client,
                                             const uint8_t *server);
size_t tls_secret_length(enum tls_aead aead);

// Makes key, iv and cipher of the secret that is in d->traffic. 0 or -EIO with the cipher freed.
must_check int tls_direction_key(struct tls_direction *d, enum tls_aead aead);
// Goes on to the next secret.
must_check int tls_direction_update(struct tls_direction *d, enum tls_aead aead);
void tls_direction_drop(struct tls_direction *d);
// Sets the cipher to the next record's nonce and its header. false: OpenSSL refuses.
must_check bool tls_direction_begin(struct tls_direction *d, const uint8_t *header);
