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

// TCP's, and those that the kernel's TLS has not given to TCP.
uint32_t conn_unsent(const struct conn *c)
{
    int n = 0;
    uint64_t held = conn_tls_held(c);
    uint32_t in_tcp = ioctl(c->fd, SIOCOUTQNSD, &n) == 0 && n > 0 ? (uint32_t)n : 0;

    return (uint32_t)min_of(held + in_tcp, (uint64_t)UINT32_MAX);
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
// The socket of a slow client may have no room for it yet, and what the kernel's TLS holds back
// would be lost with the FIN. `ready`: there is room in the socket. What is held even so waits for
// a thread of the kernel, and for that one nothing but a pause can be waited for.
static void say_last(struct conn *c, bool ready)
{
    if (!conn_tls_goodbye(c)) {
        conn_wait_for(c, POLLOUT);
        return;
    }
    if (conn_tls_held(c) != 0) {
        if (ready)
            conn_retry_soon(c);
        else
            conn_wait_for(c, POLLOUT);
        return;
    }
    shutdown(c->fd, SHUT_WR);
    if (c->eof)
        conn_close(c);
}

void conn_linger_writable(struct conn *c)
{
    say_last(c, true);
}

void conn_linger_again(struct conn *c)
{
    say_last(c, false);
}

void conn_linger_note(struct conn *c, const struct location_conf *l)
{
    c->linger_ms = (uint32_t)min_of(l->lingering_timeout, (int64_t)UINT32_MAX);
    c->linger_time_ms = (uint32_t)min_of(l->lingering_time, (int64_t)UINT32_MAX);
    c->linger_send_ms = (uint32_t)min_of(l->send_timeout, (int64_t)UINT32_MAX);
}

void conn_linger(struct conn *c)
{
    c->linger_end_ms = clock_mono_ms() + c->linger_time_ms;
    c->linger_unsent = UINT32_MAX;
    list_remove(&c->idle_node);
    conn_set_step(c, CONN_linger);
    conn_linger_on(c);
    say_last(c, false);
}

void conn_end(struct conn *c)
{
    if (conn_tls_goodbye(c) && conn_tls_held(c) == 0)
        conn_close(c);
    else if (c->step != CONN_linger)
        conn_linger(c);
}
