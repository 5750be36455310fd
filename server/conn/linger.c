// SPDX-License-Identifier: Apache-2.0
#include "server/conn/linger.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "lib/base/clock.h"
#include "server/config/location_conf.h"
#include "server/conn/conn_tls.h"
#include "server/conn/protocol.h"

void conn_linger_on(struct conn *c)
{
    uint64_t now = clock_mono_ms();
    uint64_t left = c->linger_end_ms > now ? c->linger_end_ms - now : 0;

    conn_deadline(c, (int64_t)min_of((uint64_t)c->linger_ms, left));
}

uint32_t conn_unsent(const struct conn *c)
{
    int n = 0;

    return ioctl(c->fd, SIOCOUTQNSD, &n) == 0 && n > 0 ? (uint32_t)n : 0;
}

void conn_linger_timed_out(struct conn *c)
{
    uint32_t left = conn_unsent(c);

    if (left != 0 && left < c->linger_unsent) {
        c->linger_unsent = left;
        c->linger_end_ms = clock_mono_ms() + c->linger_send_ms;
    }
    if (left != 0 && c->linger_end_ms > clock_mono_ms())
        conn_linger_on(c);
    else
        conn_close(c);
}

// close_notify, then the FIN: a client that missed the former would take the answer for cut off.
// The socket of a slow client may have no room for it yet. The kernel's TLS takes records that it
// cannot give to TCP yet, and a shutdown loses them (6.1, 6.12): there close_notify has to do.
void conn_linger_writable(struct conn *c)
{
    if (!conn_tls_goodbye(c)) {
        conn_wait_for(c, POLLOUT);
        return;
    }
    if (c->transport != &transport_kernel)
        shutdown(c->fd, SHUT_WR);
    if (c->eof)
        conn_close(c);
}

void conn_linger(struct conn *c, const struct location_conf *l)
{
    c->linger_ms = (uint32_t)min_of(l->lingering_timeout, (int64_t)UINT32_MAX);
    c->linger_end_ms = clock_mono_ms() + (uint64_t)l->lingering_time;
    c->linger_send_ms = (uint32_t)min_of(l->send_timeout, (int64_t)UINT32_MAX);
    c->linger_unsent = UINT32_MAX;
    conn_set_step(c, CONN_linger);
    conn_linger_on(c);
    conn_linger_writable(c);
}
