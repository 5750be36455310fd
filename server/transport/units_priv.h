// SPDX-License-Identifier: Apache-2.0
//
// What the ways of sending units share: putting parts of many of them together in one piece of
// memory, and taking off what went. Files are read where they are resident and nowhere else; what
// was read and did not go is read again, so that a slow reader holds no memory.
#pragma once

#include "server/request/response.h"
#include "server/transport/source.h"
#include "server/transport/unit.h"

#define GATHER_PARTS 64 // reads of files for one send or seal

// What one call of units_send() still has before it.
struct units {
    struct conn *c;
    struct unit *u; // the first that is not gone
    size_t n;       // from there on
    // Bytes of this request's file that were found resident (units_plain.c).
    const struct request *resident_of;
    uint64_t resident_from, resident_to;
};

// Bytes of a file in the gathered ones. Its source is open until they are settled.
struct gathered_part {
    struct request *request;
    struct slice slice;
    struct body_source src;
    uint64_t n;
};

struct gathered {
    char *p;
    size_t len, most;
    uint32_t file_most;
    int read;     // what a file said last: 1: bytes; 0: it has become shorter; -errno
    size_t nparts;
    struct gathered_part parts[GATHER_PARTS];
};

// Puts bytes of the units, one after the other, into p[0..most), until that is full, a unit comes
// that has more than `file_most` bytes of a file, or a file's bytes are not to be had (g->read).
// No unit begins whose file cannot be read.
void units_gather(const struct units *us, struct gathered *g, char *p, size_t most,
                  uint32_t file_most);
// `gone` of the gathered bytes are on their way. After each units_gather(), once.
void units_settle(struct units *us, struct gathered *g, size_t gone);
// Takes `gone` bytes off the units, which are counted as sent. How many of them are files'.
uint64_t units_take(struct units *us, uint64_t gone);

// The file bytes of the next unit, and of those behind it that go on where it ends.
struct slice units_run(const struct units *us);

static inline bool units_are_stopped(const struct gathered *g)
{
    return g->read <= 0;
}
// What stopped gathering, when all that stood before is sent: TRANSPORT_FILE or _ERROR. `read` as
// in struct gathered.
must_check enum transport_result units_stopped(struct units *us, int read);
// A failed call: as transport_not_sent(), or with the connection's line.
must_check enum transport_result units_not_sent(struct units *us, int err, const char *call);

// All units, over plain TCP, kernel TLS and userspace TLS.
must_check enum transport_result units_send_plain(struct units *us);
must_check enum transport_result units_send_kernel(struct units *us);
must_check enum transport_result units_send_userspace(struct units *us);
