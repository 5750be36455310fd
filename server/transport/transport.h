// SPDX-License-Identifier: Apache-2.0
//
// How slices reach a client: over plain TCP, by records that the kernel makes, or by records that
// OpenSSL makes. A transport never waits: it sends what it can and says what it waits for.
#pragma once

struct conn;

enum transport_result {
    TRANSPORT_DONE,    // the whole response is with the kernel
    TRANSPORT_AGAIN,   // a quantum was sent or the socket is full: poll for room, then call again
    TRANSPORT_RETRY,   // the kernel had no memory: there may be room, so wait a moment, call again
    // request.fetch is on the ring for the next part of the file; call again when it is done.
    TRANSPORT_FILE,
    TRANSPORT_ERROR,   // the connection is of no more use (reset, file vanished, ...)
};

struct transport {
    const char *name;
    enum transport_result (*send)(struct conn *c);
};

extern const struct transport transport_plain, transport_kernel, transport_userspace;
