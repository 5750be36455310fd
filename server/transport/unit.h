// SPDX-License-Identifier: Apache-2.0
//
// What HTTP/2 gives to a transport: frames, in the order in which they are to be on the wire. A
// unit is the nine bytes of a frame's header, then bytes of memory, then bytes of a file, each of
// which may be missing. Once the first byte of a unit is sent, all of it has to follow.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/compiler.h"
#include "server/transport/transport.h"

struct request;

#define FRAME_HEADER 9 // bytes (RFC 9113, 4.1)

struct unit {
    struct request *request; // whose response.file is meant with `len`; NULL: none
    const char *p;           // memory, `n` bytes of which are left
    uint64_t off;            // of the file, from where `len` bytes are left
    uint32_t n, len;
    uint8_t at;              // head[at..FRAME_HEADER) is left
    uint8_t head[FRAME_HEADER];
};

static inline uint64_t unit_left(const struct unit *u)
{
    return (uint64_t)(FRAME_HEADER - u->at) + u->n + u->len;
}

// Sends what the socket takes of `n` units, one after the other. *sent of them are gone; what is
// left of the next stands in it. The bytes are counted in conn.taken.
//     TRANSPORT_DONE   all are gone
//     TRANSPORT_AGAIN  the socket is full: poll for room
//     TRANSPORT_RETRY  as in transport.h
//     TRANSPORT_FILE   request->fetch of the next unit is on the ring for what is left of its
//                      file: it was resident when the unit was made, and is so no longer
//     TRANSPORT_ERROR  the connection is of no more use; a line is in the log
must_check enum transport_result units_send(struct conn *c, struct unit *u, size_t n,
                                            size_t *sent);
