// SPDX-License-Identifier: Apache-2.0
//
// One TLS connection: the handshake in OpenSSL, and then whichever of the two directions the kernel
// does not take: by our own record layer (TLS 1.3), or still in OpenSSL. It knows sockets only
// where kernel TLS demands it (OpenSSL installs the keys on the descriptor it talks through);
// otherwise it consumes and produces bytes.
//
// TLS_THROUGH_SOCKET: OpenSSL reads and writes the descriptor itself until the handshake is done;
// then tls_kernel() says which directions the kernel has. With both of them the whole object can be
// freed: the connection is a plain socket with a record type on the side (lib/tls/kernel.h).
// TLS_THROUGH_MEMORY: the caller feeds what it received (tls_feed) and sends what stands in `out`.
// A direction that is not in the kernel after the handshake goes through memory in both modes.
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/compiler.h"
#include "lib/base/sv.h"
#include "lib/tls/context.h"
#include "lib/tls/record_layer.h"

enum tls_mode { TLS_THROUGH_MEMORY, TLS_THROUGH_SOCKET };

enum tls_result {
    TLS_DONE,        // what was asked for
    TLS_WANT_INPUT,  // more bytes of the client are needed
    TLS_WANT_ROOM,   // the socket takes no more (TLS_THROUGH_SOCKET)
    TLS_WANT_LOOKUP, // the certificate hook waits
    TLS_EARLY,       // early data can be read and answered, and the handshake goes on
    TLS_CLOSED,      // the client's close_notify
    TLS_FAILED,      // tls_failure() says why; an alert may stand in `out`
};

enum { TLS_KERNEL_SEND = 1, TLS_KERNEL_RECEIVE = 2 };

#define TLS_RECORD_MAX 16384u     // bytes of plain text in a record (RFC 8446, 5.1)
#define TLS_RECORD_OVERHEAD 64u   // more than any cipher adds: header, explicit nonce, type, tag

// Bytes to be sent. The memory is the caller's: `reserve` is asked when there is not enough room.
struct tls_output {
    char *p;
    size_t off, len, cap; // what is still to be sent is p[off..len)
    // Makes room for `more` bytes behind len, keeping what stands there. false: out of memory.
    bool (*reserve)(struct tls_output *out, size_t more);
};

struct tls {
    SSL *ssl;                          // NULL once the record layer has taken over
    struct tls_records *records;       // NULL before, and where OpenSSL keeps the connection
    void *owner;                       // for the hooks
    const struct tls_context *context; // the server's own, or the one the name chose
    int fd;                            // borrowed
    enum tls_mode mode;
    const char *in;                    // what tls_feed() gave and OpenSSL has not taken yet
    size_t in_len;
    struct tls_output out;
    bool handshake_done;
    bool early;                        // early data may still come
    bool has_early_byte;               // the first of it was taken
    char early_byte;
    bool was_early;                    // there was early data
    bool receive_given;                // tls_kernel_receives_too()
    uint8_t alert;                     // of the record layer's failure
    bool closed;                       // close_notify was sent
    bool failed;
    size_t record_max;                 // as last told to OpenSSL; 0: never
    struct tls_secrets secrets;        // where tls_secrets_watch() was called
};

// Takes no descriptor over. `out` must have its reserve function set by the caller afterwards.
// NULL when memory is out.
struct tls *tls_open(const struct tls_context *context, int fd, enum tls_mode mode, void *owner);
// Frees without a word to the client; the session stays resumable. NULL is allowed.
void tls_free(struct tls *t);

// Goes on with the handshake: TLS_DONE, TLS_WANT_*, TLS_EARLY, TLS_CLOSED or TLS_FAILED.
must_check enum tls_result tls_handshake(struct tls *t);
// Which directions the kernel has; asked after the handshake. Both, and nothing left inside: the
// object may be freed.
unsigned tls_kernel(const struct tls *t);
// Where OpenSSL is too old to let the kernel receive TLS 1.3, we give it the keys. After a
// handshake that left the kernel sending; true when it receives as well now.
bool tls_kernel_receives_too(struct tls *t);
// After a handshake through the socket: a direction that the kernel lacks goes through memory.
// 0 or -ENOMEM.
must_check int tls_leave_socket(struct tls *t);

// OpenSSL's part is over: the record layer goes on with its keys, and t->ssl is freed. Right after
// the handshake, and after tls_leave_socket(). False when the connection stays with OpenSSL.
bool tls_take_over(struct tls *t);

// The bytes to be read next; they must stay until tls_read() wants input or has failed. Nothing may
// be left of what was fed before.
void tls_feed(struct tls *t, const char *bytes, size_t n);
// Decrypts into `buf`, which has TLS_RECORD_MAX bytes: TLS_DONE with *got > 0, TLS_WANT_INPUT,
// TLS_CLOSED or TLS_FAILED. It may produce output (answers to KeyUpdate, alerts). Renegotiation is
// refused (RFC 5246, 7.2.2).
must_check enum tls_result tls_read(struct tls *t, char *buf, size_t size, size_t *got);
// Appends `n` bytes (not 0) as records to `out`. 0, -ENOMEM, or -EIO when the connection is of no
// more use. `record_max`: bytes of plain text in a record, at most TLS_RECORD_MAX.
must_check int tls_seal(struct tls *t, const char *bytes, size_t n, size_t record_max);
// Was a KeyUpdate asked for that can only be answered with the next tls_seal()? With the kernel
// sending there will be none.
bool tls_owes_key_update(const struct tls *t);
// Appends close_notify once (with the kernel sending: sends it as the kernel's record).
void tls_close(struct tls *t);

// What the failure was, for the log, without newline: "SSL_do_handshake() failed (SSL: ...)". At
// least TLS_ERROR_MAX bytes. `client_fault`: what a hostile or broken client can provoke.
void tls_failure(struct tls *t, char *out, bool *client_fault);

// Errors (X509_V_...) that say only that nobody trusted has signed: ssl_verify_client
// optional_no_ca forgives them.
bool tls_verify_error_is_optional(long error);
