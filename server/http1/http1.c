// SPDX-License-Identifier: Apache-2.0
//
// HTTP/1's place among the protocols of a connection, and among the owners of requests.
#include "server/http1/http1.h"

#include "lib/base/clock.h"
#include "lib/http/h1.h"
#include "server/bounds.h"
#include "server/conn/protocol.h"
#include "server/http1/http1_priv.h"
#include "server/request/owner.h"
#include "server/request/request.h"
#include "server/worker.h"

void http1_end_request(struct conn *c)
{
    struct request *r = c->request;

    c->request = NULL;
    request_end(r);
}

static void drain(struct conn *c)
{
    c->keep_alive = false;
    // A next request may be on its way: it is answered, with Connection: close, if it comes soon.
    if (c->step == CONN_idle && c->requests != 0)
        conn_deadline(c, max_of(DRAIN_IDLE_GRACE_MS, (int64_t)c->idle_min_ms));
}

static bool answering(const struct conn *c)
{
    return c->step == CONN_handle || c->step == CONN_send;
}

static void lost(struct conn *c)
{
    if (c->request != NULL && c->request->response.status == 0)
        c->request->response.status = 499;
}

static bool give_up(struct conn *c)
{
    if (c->request == NULL)
        return true;
    ring_cancel(&c->worker->ring, &c->request->fetch);
    if (request_in_flight(c->request))
        return false;
    http1_end_request(c);
    return true;
}

static void free_nothing(struct conn *c)
{
    (void)c;
}

const struct protocol protocol_http1 = {
    .take_in = http1_take_in,
    .end_of_stream = http1_end_of_stream,
    .writable = http1_writable,
    .retry_send = http1_retry_send,
    .timed_out = http1_timed_out,
    .log_settled = http1_log_settled,
    .drain = drain,
    .answering = answering,
    .lost = lost,
    .give_up = give_up,
    .free = free_nothing,
};

static void abandon(struct request *r)
{
    conn_close(r->conn);
}

static void ready(struct request *r)
{
    struct conn *c = r->conn;

    if (c->step != CONN_handle)
        return;
    request_resume(r);
    http1_pump(c);
}

static struct sv doing(const struct request *r)
{
    switch ((enum conn_step)r->conn->step) {
    case CONN_head:
        return r->parsed.line_len == 0 ? SV(" while reading client request line")
                                       : SV(" while reading client request headers");
    case CONN_send:
        return SV(" while sending response to client");
    default:
        return sv_of(NULL, 0);
    }
}

const struct request_owner http1_owner = {
    .respond = http1_respond,
    .abandon = abandon,
    .delay = http1_delay,
    .ready = ready,
    .fetched = http1_fetched,
    .doing = doing,
};
