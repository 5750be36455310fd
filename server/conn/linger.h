// SPDX-License-Identifier: Apache-2.0
//
// The end of a connection that has said all: it reads and drops for a while, so that the last bytes
// of what it said are not lost to a reset (RFC 9112, 9.6).
#pragma once

#include <stdint.h>

struct conn;
struct location_conf;

// Keeps for how long `l` wants it to linger: before one of the following two.
void conn_linger_note(struct conn *c, const struct location_conf *l);
// Says the last (close_notify, FIN) and begins to linger. Requests have ended. The connection may
// be closed afterwards.
void conn_linger(struct conn *c);
// Closes when everything, close_notify included, is with TCP, and lingers until then.
void conn_end(struct conn *c);

// Something came, or still goes out.
void conn_linger_on(struct conn *c);
// There is room in the socket for what could not be said at once.
void conn_linger_writable(struct conn *c);
// The pause of conn_retry_soon() is over.
void conn_linger_again(struct conn *c);
// Its time is over: closes, unless the kernel still gets rid of bytes.
void conn_linger_timed_out(struct conn *c);
// Bytes that the kernel has not sent yet: a slow client's, or those of a paced response.
uint32_t conn_unsent(const struct conn *c);
