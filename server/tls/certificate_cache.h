// SPDX-License-Identifier: Apache-2.0
//
// Certificates and keys that were read, parsed, by their names: those of handshakes
// (ssl_certificate_cache), of which each worker has its own, and those of a configuration. There
// are no locks. Keys that may have a password are not kept.
#pragma once

#include <openssl/x509.h>
#include <stdint.h>

#include "server/tls/tls_conf.h"

struct certificate_cache;

// The policy must stay as long as the cache. NULL when memory is out.
struct certificate_cache *certificate_cache_new(const struct tls_certificate_policy *policy);
void certificate_cache_free(struct certificate_cache *c); // NULL is allowed
unsigned certificate_cache_count(const struct certificate_cache *c);

struct certificate_request {
    const char *id;                        // a path, or "data:..."
    const struct tls_passwords *passwords; // of keys
    bool fresh;                            // what is kept is not good enough
    int64_t now_s;                         // monotonic
    const char *error;                     // of a failure: as in lib/tls/load.h
};

// A reference for the caller. A NULL cache keeps nothing. NULL with r->error set. What is kept is
// compared with the file (its inode and time of change) when it is older than `valid`.
STACK_OF(X509) *certificate_cache_chain(struct certificate_cache *c, struct certificate_request *r);
EVP_PKEY *certificate_cache_key(struct certificate_cache *c, struct certificate_request *r);

// From now on, what is not in `c` is taken from `elder` before it is read, where the file seems the
// same as nginx judges it: by inode and by the second of its change. NULL: no longer.
void certificate_cache_inherit(struct certificate_cache *c, struct certificate_cache *elder);
