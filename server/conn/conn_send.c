// SPDX-License-Identifier: Apache-2.0
//
// Sending: drives the transport, waits for room or for a file's pages, and decides what follows a
// response.
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/net/sockopt.h"
#include "server/bounds.h"
#include "server/conn/conn_priv.h"
#include "server/conn/conn_tls.h"
#include "server/log/log_writer.h"
#include "server/request/request.h"
#include "server/worker.h"

// There may be room all the time, so the deadline's timer is borrowed for a pause.
void conn_retry_soon(struct conn *c)
{
    c->retry_send = true;
    timer_arm(&c->worker->ring.wheel, &c->timer, SEND_RETRY_MS);
}

// send_timeout is between two successes, not for the whole response.
static void renew_deadline(struct conn *c, uint64_t taken_before)
{
    if (c->taken != taken_before || c->deadline_ms == UINT64_MAX)
        conn_deadline(c, c->request->location->send_timeout);
}

static void drive(struct conn *c)
{
    uint64_t before = c->taken;

    switch (c->transport->send(c)) {
    case TRANSPORT_DONE:
        conn_response_sent(c);
        break;
    case TRANSPORT_AGAIN:
        renew_deadline(c, before);
        conn_wait_for(c, POLLOUT);
        break;
    case TRANSPORT_RETRY:
        renew_deadline(c, before);
        conn_retry_soon(c);
        break;
    case TRANSPORT_FILE:
        conn_no_deadline(c);
        break;
    case TRANSPORT_ERROR:
        conn_close(c);
        break;
    }
}

// The kernel paces the socket (SO_MAX_PACING_RATE); no timer of ours is involved.
static void apply_pacing(struct conn *c)
{
    uint64_t rate = c->request->limit_rate_after == 0 ? c->request->limit_rate : 0;

    if (rate != c->pacing && net_set_pacing(c->fd, rate) == 0)
        c->pacing = rate;
}

void conn_start_pacing(struct conn *c)
{
    c->request->limit_rate_after = 0;
    apply_pacing(c);
}

// Whoever gets an answer may look for its line in the error log, and with nginx finds it there. The
// line is written by the ring; a log that takes long is not waited for.
static void wait_for_log(struct conn *c)
{
    c->awaits_log = true;
    c->log_ticket = log_writers_error_ticket(c->worker);
    list_append(&c->worker->log_waiters, &c->idle_node);
    conn_deadline(c, LOG_WAIT_MS);
}

static bool must_wait_for_log(const struct worker *w)
{
    return !log_writers_errors_written(w, log_writers_error_ticket(w));
}

void conn_send_response(struct conn *c)
{
    if (c->step == CONN_closing)
        return;
    conn_set_step(c, CONN_send);
    conn_no_deadline(c);
    c->keep_alive = c->request->keep_alive && !c->draining;
    apply_pacing(c);
    if (c->request->logged && must_wait_for_log(c->worker))
        wait_for_log(c);
    else
        drive(c);
}

void conn_log_settled(struct conn *c)
{
    list_remove(&c->idle_node);
    c->awaits_log = false;
    conn_no_deadline(c);
    drive(c);
    conn_pump(c);
}

void conn_retry_send(struct conn *c)
{
    c->retry_send = false;
    if (c->step == CONN_send && !c->awaits_log && !op_in_flight(&c->fetch)) {
        drive(c);
        conn_pump(c);
    } else {
        conn_tls_flush(c);
    }
}

void conn_fetched(struct op *op, int32_t res, uint32_t flags)
{
    struct conn *c = container_of(op, struct conn, fetch);

    (void)flags;
    conn_enter(c);
    if (c->step == CONN_send) {
        struct response *s = &c->request->response;
        if (res <= 0) {
            request_log(c->request, res == 0 ? LOG_LEVEL_ALERT : LOG_LEVEL_CRIT, -res,
                        res == 0 ? "file was truncated while it was being sent"
                                 : "reading a file to be sent failed");
            conn_close(c);
        } else {
            s->fetched_from = s->body->off;
            s->fetched_to = s->body->off + (uint64_t)res;
            drive(c);
        }
        conn_pump(c);
    }
    conn_leave(c);
}

void conn_end_request(struct conn *c)
{
    struct request *r = c->request;

    c->request = NULL;
    request_end(r);
}

static void go_idle(struct conn *c)
{
    struct worker *w = c->worker;
    const struct location_conf *l = c->request->location;
    int64_t timeout = l->keepalive_timeout;

    c->idle_min_ms = (uint32_t)min_of(l->keepalive_min_timeout, (int64_t)UINT32_MAX);
    conn_end_request(c);
    conn_set_step(c, CONN_idle);
    list_append(&w->idle, &c->idle_node);
    conn_deadline(c, timeout);
}

void conn_linger_on(struct conn *c)
{
    uint64_t now = clock_mono_ms();
    uint64_t left = c->linger_end_ms > now ? c->linger_end_ms - now : 0;

    conn_deadline(c, (int64_t)min_of((uint64_t)c->linger_ms, left));
}

// Bytes that the kernel has not sent yet: a slow client's, or those of a paced response.
static uint32_t unsent(const struct conn *c)
{
    int n = 0;

    return ioctl(c->fd, SIOCOUTQNSD, &n) == 0 && n > 0 ? (uint32_t)n : 0;
}

// Lingering is over when nothing more comes, but not while the kernel still gets rid of bytes.
static void linger_ended(struct conn *c)
{
    uint32_t left = unsent(c);

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
static void say_last(struct conn *c)
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

// Reads and drops for a while, so that the last bytes of the answer are not lost to a reset (RFC
// 9112, 9.6).
static void linger(struct conn *c)
{
    const struct location_conf *l = c->request->location;

    c->linger_ms = (uint32_t)min_of(l->lingering_timeout, (int64_t)UINT32_MAX);
    c->linger_end_ms = clock_mono_ms() + (uint64_t)l->lingering_time;
    c->linger_send_ms = (uint32_t)min_of(l->send_timeout, (int64_t)UINT32_MAX);
    c->linger_unsent = UINT32_MAX;

    conn_end_request(c);
    conn_set_step(c, CONN_linger);
    conn_linger_on(c);
    say_last(c);
}

static void finish_connection(struct conn *c)
{
    const struct request *r = c->request;
    int64_t mode = r->location->lingering_close;
    bool more = !r->body_done || c->pending_len != c->pending_off || r->head_excess;

    // A paced body is with the kernel long before it is sent, and a TLS client has things to say
    // that are no request (KeyUpdate, close_notify): on a socket that is closed, they would be
    // answered by a reset, and what was not sent yet be lost.
    if (!more && (c->security != CONN_SECURITY_plain || c->pacing != 0))
        more = unsent(c) > 0;

    // A socket without room for close_notify is waited for, whatever the mode.
    if (mode == LINGER_ALWAYS || (mode == LINGER_ON && more) || !conn_tls_goodbye(c))
        linger(c);
    else
        conn_close(c);
}

// Between two parts of a body that is read to be dropped.
void conn_body_deadline(struct conn *c)
{
    const struct location_conf *l = c->request->location;

    conn_deadline(c, min_of(l->lingering_timeout, l->client_body_timeout));
}

void conn_response_sent(struct conn *c)
{
    struct request *r = c->request;

    if (c->keep_alive && !c->draining && r->keep_alive) {
        if (r->body_done) {
            go_idle(c);
            return;
        }
        if (!c->eof) {
            conn_set_step(c, CONN_body);
            conn_body_deadline(c);
            return;
        }
    }
    finish_connection(c);
}

static void answer_timeout(struct conn *c)
{
    c->request->keep_alive = false;
    c->request->response.status = 408;
    conn_close(c);
}

void conn_delay(struct conn *c, uint64_t delay_ms)
{
    check(c->step == CONN_handle);
    c->request->limits.delayed = true;
    conn_deadline(c, (int64_t)delay_ms);
}

static void end_delay(struct conn *c)
{
    c->request->limits.delayed = false;
    conn_no_deadline(c);
    request_resume(c->request);
    conn_pump(c);
}

void conn_timed_out(struct conn *c)
{
    switch ((enum conn_step)c->step) {
    case CONN_handshake:
        conn_handshake_abandon(c, ETIMEDOUT, "client timed out");
        break;
    case CONN_head:
        request_note_line(c->request);
        request_log(c->request, LOG_LEVEL_INFO, ETIMEDOUT, "client timed out");
        answer_timeout(c);
        break;
    case CONN_send:
        if (c->awaits_log) {
            conn_log_settled(c);
            break;
        }
        c->reset_on_close = c->request->location->reset_timedout_connection;
        request_log(c->request, LOG_LEVEL_INFO, ETIMEDOUT, "client timed out");
        conn_close(c);
        break;
    case CONN_handle:
        if (c->request->limits.delayed)
            end_delay(c);
        break;
    case CONN_linger:
        linger_ended(c);
        break;
    case CONN_idle:
    case CONN_body:
    case CONN_closing:
        conn_close(c);
        break;
    }
}

void conn_writable(struct op *op, int32_t res, uint32_t flags)
{
    struct conn *c = container_of(op, struct conn, poll);

    (void)flags;
    conn_enter(c);
    if (c->step == CONN_handshake)
        conn_handshake_ready(c, res);
    else if (c->step == CONN_send && !c->awaits_log && !op_in_flight(&c->fetch)) {
        if (res < 0)
            conn_broken(c, -res);
        else
            drive(c);
        conn_pump(c);
    } else if (c->step == CONN_linger) {
        say_last(c);
    } else {
        conn_tls_flush(c);
    }
    conn_leave(c);
}
