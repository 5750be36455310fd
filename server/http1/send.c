// SPDX-License-Identifier: Apache-2.0
//
// Sending over HTTP/1: drives the transport, waits for room or for a file's pages, and decides what
// follows a response.
#include <errno.h>
#include <poll.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/net/sockopt.h"
#include "server/bounds.h"
#include "server/conn/protocol.h"
#include "server/conn/conn_tls.h"
#include "server/conn/linger.h"
#include "server/http1/http1.h"
#include "server/http1/http1_priv.h"
#include "server/request/request.h"
#include "server/transport/body.h"
#include "server/worker.h"

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
        http1_response_sent(c);
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

void http1_start_pacing(struct conn *c)
{
    c->request->limit_rate_after = 0;
    apply_pacing(c);
}

void http1_respond(struct request *r)
{
    struct conn *c = r->conn;

    if (c->step == CONN_closing)
        return;
    conn_set_step(c, CONN_send);
    conn_no_deadline(c);
    c->keep_alive = c->request->keep_alive && !c->draining;
    apply_pacing(c);
    if (!c->request->logged || !conn_wait_for_log(c))
        drive(c);
}

void http1_log_settled(struct conn *c)
{
    conn_no_deadline(c);
    drive(c);
    http1_pump(c);
}

void http1_retry_send(struct conn *c)
{
    if (c->step == CONN_send && !c->awaits_log && !op_in_flight(&c->request->fetch)) {
        drive(c);
        http1_pump(c);
    } else {
        conn_tls_flush(c);
    }
}

void http1_fetched(struct request *r, int32_t res)
{
    struct conn *c = r->conn;

    if (c->step != CONN_send)
        return;
    if (body_fetch_done(r, res))
        drive(c);
    else
        conn_close(c);
    http1_pump(c);
}

static void go_idle(struct conn *c)
{
    struct worker *w = c->worker;
    const struct location_conf *l = c->request->location;
    int64_t timeout = l->keepalive_timeout;

    conn_linger_note(c, l);
    c->idle_min_ms = (uint32_t)min_of(l->keepalive_min_timeout, (int64_t)UINT32_MAX);
    http1_end_request(c);
    conn_set_step(c, CONN_idle);
    list_append(&w->idle, &c->idle_node);
    conn_deadline(c, timeout);
}

static void end_last_request(struct conn *c)
{
    if (c->request == NULL)
        return;
    conn_linger_note(c, c->request->location);
    http1_end_request(c);
}

static void linger(struct conn *c)
{
    end_last_request(c);
    conn_linger(c);
}

void http1_end(struct conn *c)
{
    end_last_request(c);
    conn_end(c);
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
        more = conn_unsent(c) > 0;

    // A socket without room for close_notify is waited for, whatever the mode.
    if (mode == LINGER_ALWAYS || (mode == LINGER_ON && more))
        linger(c);
    else
        http1_end(c);
}

// Between two parts of a body that is read to be dropped.
void http1_body_deadline(struct conn *c)
{
    const struct location_conf *l = c->request->location;

    conn_deadline(c, min_of(l->lingering_timeout, l->client_body_timeout));
}

void http1_response_sent(struct conn *c)
{
    struct request *r = c->request;

    if (c->keep_alive && !c->draining && r->keep_alive) {
        if (r->body_done) {
            go_idle(c);
            return;
        }
        if (!c->eof) {
            conn_set_step(c, CONN_body);
            http1_body_deadline(c);
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

void http1_delay(struct request *r, uint64_t delay_ms)
{
    check(r->conn->step == CONN_handle);
    r->limits.delayed = true;
    conn_deadline(r->conn, (int64_t)delay_ms);
}

static void end_delay(struct conn *c)
{
    c->request->limits.delayed = false;
    conn_no_deadline(c);
    request_resume(c->request);
    http1_pump(c);
}

void http1_timed_out(struct conn *c)
{
    switch ((enum conn_step)c->step) {
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
    default:
        http1_end(c);
        break;
    }
}

void http1_writable(struct conn *c, int32_t res)
{
    if (c->step == CONN_send && !c->awaits_log && !op_in_flight(&c->request->fetch)) {
        if (res < 0)
            conn_broken(c, -res);
        else
            drive(c);
        http1_pump(c);
    } else {
        conn_tls_flush(c);
    }
}
