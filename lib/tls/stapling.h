// SPDX-License-Identifier: Apache-2.0
//
// Asking a certificate's OCSP responder (RFC 6960) for the response that is stapled. It blocks: for
// a thread of its own, never for a worker. All of it may run while workers shake hands with the
// context.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/compiler.h"
#include "lib/tls/context.h"

// Bytes a responder may send, head and body together: what comes of it is in every handshake.
#define TLS_STAPLE_RECEIVE_MAX 32768u

struct tls_stapling {
    const char *responder; // URL instead of the certificate's own; NULL: the certificate's
    bool verify;           // ssl_stapling_verify: the response's signer, by trusted_certificate
    int timeout_s;         // for all of it
    int cancel_fd;         // readable (eventfd(2)): give up with -ECANCELED; -1: none
};

// Can this context be stapled at all (a responder, an issuer)? 0, -ENOMEM, or -EINVAL with `why`
// (TLS_ERROR_MAX bytes) in nginx's words: "ssl_stapling" ignored, issuer certificate not found for
// certificate "...". It asks nobody, the resolver neither.
must_check int tls_stapling_check(const struct tls_context *c,
                                  const struct tls_certificate *certificate,
                                  const struct tls_stapling *s, char *why);
// Asks. On success *staple is malloc'd and *next_s says after how many seconds to ask again (an
// hour at most; before it expires). 0; -EINVAL, -EIO, -ETIMEDOUT or -ENOMEM with `why`; -ECANCELED.
must_check int tls_staple_fetch(const struct tls_context *c,
                                const struct tls_certificate *certificate,
                                const struct tls_stapling *s, struct tls_staple **staple,
                                int64_t *next_s, char *why);
