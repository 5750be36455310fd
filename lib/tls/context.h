// SPDX-License-Identifier: Apache-2.0
//
// A server's TLS context: certificates, keys and rules in an OpenSSL SSL_CTX (SSL_CTX_new(3)),
// made by the master, used by all workers of the silos forked from it, and never changed but for
// its staple.
#pragma once

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/compiler.h"
#include "lib/base/sv.h"
#include "lib/tls/settings.h"

struct tls_context;
struct tls;

// A response of a certificate's OCSP responder as it is sent to clients (RFC 6066, 8).
struct tls_staple {
    size_t n;
    int64_t expires_s; // CLOCK_REALTIME; nothing is sent after it
    unsigned char der[];
};

// What OpenSSL asks the program in mid-handshake. `owner` is what tls_open() was given.
struct tls_hooks {
    // The context for the client's server name (n == 0: it sent none). NULL refuses the handshake
    // with an unrecognized_name alert (ssl_reject_handshake).
    const struct tls_context *(*server_name)(void *owner, struct sv name);
    // Certificates whose paths have variables: puts them into `ssl`. 1, 0 to fail the handshake, or
    // -1 when it has to wait (TLS_WANT_LOOKUP). NULL: never called.
    int (*certificate)(void *owner, const struct tls_context *context, SSL *ssl);
    // Is HTTP/2 served? Asked of a client that sends ALPN, after its name has been looked up, and
    // then h2 goes before HTTP/1.1. NULL: it is not.
    bool (*http2)(void *owner);
};

// A certificate of a context (there may be one for RSA and one for ECDSA), and its staple.
struct tls_certificate {
    X509 *x509;        // owned by the SSL_CTX
    const char *path;  // for the log; borrowed
    _Atomic(struct tls_staple *) staple; // owned; NULL: none
    struct tls_staple *before;           // what a handshake may still be reading
};

struct tls_context {
    SSL_CTX *ssl_ctx;
    const struct tls_settings *settings; // borrowed
    const struct tls_hooks *hooks;       // borrowed; NULL: none
    void *server;                        // the program's own
    bool kernel;                         // Options -KTLS was not said
    bool has_certificate;                // or a hook that finds one
    struct tls_certificate *certificates;
    unsigned ncertificates;
};

#define TLS_ERROR_MAX 1024

// `why` (TLS_ERROR_MAX bytes) gets a line without newline for the log, in nginx's words, such as:
// cannot load certificate "/x.pem": BIO_new_file() failed (SSL: error:80000002:...). 0, -EINVAL or
// -ENOMEM. `warning` (may be NULL; same size) gets what is wrong and does not matter, or "".
must_check int tls_context_make(const struct tls_settings *settings, const struct tls_hooks *hooks,
                                struct tls_context **out, char *why, char *warning);
void tls_context_free(struct tls_context *c); // NULL is allowed

// Loads one pair into `ssl`, as the certificate hook must: through a cache of the caller, or none.
// `certificate_path` and `key_path` as in struct tls_pair. 0 or -EINVAL with `why` filled.
must_check int tls_load_pair(SSL *ssl, const struct tls_pair *pair, const char *password_file,
                             char *why);

// Publishes a staple (malloc; owned from then on, NULL takes it away). What it replaces is freed at
// the next call, when no handshake can be reading it any more: at least seconds lie between two.
void tls_certificate_set_staple(struct tls_certificate *c, struct tls_staple *staple);

// The struct tls that an SSL belongs to (SSL_get_ex_data), and the context an SSL_CTX belongs to.
struct tls *tls_of(const SSL *ssl);
struct tls_context *tls_context_of(const SSL_CTX *ctx);
void tls_attach(SSL *ssl, struct tls *t);

// Was HTTP/2 agreed upon (ALPN h2; RFC 9113, 3.2)? To be asked once the ClientHello has been
// answered, so with early data before the handshake is over, and while there is an SSL.
bool tls_alpn_is_h2(const SSL *ssl);

// The oldest entry of OpenSSL's error queue (and all others drop out) as " (SSL: error:...)", or
// "" when it is empty. `out` has TLS_ERROR_MAX bytes.
void tls_error_text(char *out);
