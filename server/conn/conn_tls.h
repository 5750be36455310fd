// SPDX-License-Identifier: Apache-2.0
//
// TLS on a connection. conn_handshake.c goes from the first byte to the transport that the
// handshake led to; conn_tls.c is what a connection reads and says afterwards.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/compiler.h"
#include "lib/tls/context.h"

struct conn;
struct worker;

// How contexts find the server of a name; the owner of a struct tls is its struct conn.
extern const struct tls_hooks conn_tls_hooks;

// A connection of a `listen ... ssl` has been opened.
void conn_handshake_begin(struct conn *c);
// Bytes of the handshake came (lib/tls/tls.h, TLS_THROUGH_MEMORY).
void conn_handshake_received(struct conn *c, const char *bytes, size_t n);
// The descriptor that OpenSSL talks through is ready (TLS_THROUGH_SOCKET).
void conn_handshake_ready(struct conn *c, int32_t res);
// The client has gone, or its time is over.
void conn_handshake_abandon(struct conn *c, int err, const char *why);
// It ended in the midst of what was read as early data.
void conn_handshake_note_end(struct conn *c);
// Goes on with the handshakes that wait for their turn, within the budget that they have beside
// everything else of the worker.
void conn_handshakes_run(struct worker *w);

// Records for c->tls to open: conn.records is set.
void conn_tls_received(struct conn *c, const char *bytes, size_t n);
// The kernel has a record that is not data (it answered EIO to a plain receive). True when the
// connection may go on receiving.
must_check bool conn_tls_control(struct conn *c);
// The kernel could not open a record: `err` is EBADMSG (it was forged) or EMSGSIZE (too large).
// Closes, with an alert.
void conn_tls_refused(struct conn *c, int err);
// What OpenSSL made goes to the socket as far as that takes it.
void conn_tls_flush(struct conn *c);
// Something of OpenSSL's failed: logs it, lets the alert out, and closes.
void conn_tls_fail(struct conn *c);
// Says close_notify once, if the connection may still say something. False: there is no room for it
// in the socket, and it is to be called again when there is.
bool conn_tls_goodbye(struct conn *c);
// Bytes that a client would lose if the connection were closed now: TCP has not got them yet (see
// lib/tls/kernel_flow.h). 0 without kernel TLS.
must_check uint64_t conn_tls_held(const struct conn *c);
// Frees what the connection has of TLS; nothing is in flight.
void conn_tls_free(struct conn *c);
