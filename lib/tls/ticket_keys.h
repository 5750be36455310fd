// SPDX-License-Identifier: Apache-2.0
//
// The keys that session tickets are sealed with (RFC 5077, RFC 8446 4.6.1) when none are
// configured: made by the master in memory that it shares with all silos of all generations, so
// that a ticket of one is good for all of them and survives a reload. The master rotates; workers
// only read. Never in a core dump, and not swapped out where the memlock limit allows.
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/compiler.h"

#define TLS_TICKET_NAME 16 // bytes of a key's public name
#define TLS_TICKET_KEYS 3  // the newest seals; older ones open

struct tls_ticket_keys;

// Maps and fills the shared memory. NULL when the machine refuses. Master, once.
struct tls_ticket_keys *tls_ticket_keys_new(void);
// Keeps the memory from being swapped out, where the memlock limit allows. A lock is the calling
// process's own and lost in a fork(2), so the master takes it when it has become what it stays.
void tls_ticket_keys_lock(struct tls_ticket_keys *k); // NULL is allowed
void tls_ticket_keys_free(struct tls_ticket_keys *k); // wipes; NULL is allowed
// A new key in front; the oldest drops out. Master only. Readers see either set.
must_check int tls_ticket_keys_rotate(struct tls_ticket_keys *k);

// A private set from key files in order, the first seals (ssl_session_ticket_key). 0, or -EINVAL or
// -errno with `why` (TLS_ERROR_MAX bytes) filled.
struct tls_key_file;
must_check int tls_ticket_keys_load(const struct tls_key_file *files,
                                    struct tls_ticket_keys **out, char *why);

// For SSL_CTX_set_tlsext_ticket_key_evp_cb(3).
int tls_ticket_keys_callback(struct tls_ticket_keys *k, unsigned char *name, unsigned char *iv,
                             EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int sealing);
