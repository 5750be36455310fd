// SPDX-License-Identifier: Apache-2.0
//
// ssl_session_cache shared:NAME:SIZE: sessions by their id in memory that all silos share and that
// is carried over a reload. A holder of the lock may be killed: who locks next empties the cache.
// Sessions are secrets: what is dropped is wiped.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/compiler.h"

#define TLS_SESSION_CACHE_MIN (8 * 4096u) // bytes, as nginx
#define TLS_SESSION_ID_MAX 32
#define TLS_SESSION_MAX 4096 // bytes of a session (DER); larger ones are not kept

struct tls_session_cache;

// Maps `size` bytes of shared memory. NULL when the machine refuses. Master.
struct tls_session_cache *tls_session_cache_new(size_t size);
void tls_session_cache_free(struct tls_session_cache *c); // wipes and unmaps; NULL is allowed

// Keeps a copy, in place of what the id stood for, until `expires_s` (CLOCK_REALTIME seconds); when
// memory runs out, expired ones go and then those not used for longest. -ENOMEM when there is no
// room even so, -E2BIG for what exceeds the sizes above.
must_check int tls_session_cache_put(struct tls_session_cache *c, const unsigned char *id,
                                     size_t id_len, const unsigned char *der, size_t n,
                                     int64_t now_s, int64_t expires_s);
// Copies into `der` (TLS_SESSION_MAX bytes). 0 with *n set, -ENOENT (unknown or expired).
must_check int tls_session_cache_get(struct tls_session_cache *c, const unsigned char *id,
                                     size_t id_len, int64_t now_s, unsigned char *der, size_t *n);
void tls_session_cache_remove(struct tls_session_cache *c, const unsigned char *id, size_t id_len);

// How full it is; for tests and counters.
size_t tls_session_cache_count(struct tls_session_cache *c);
