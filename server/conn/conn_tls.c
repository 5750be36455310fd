// SPDX-License-Identifier: Apache-2.0
#include "server/conn/conn_tls.h"

#include <errno.h>
#include <poll.h>

#include "lib/base/check.h"
#include "lib/base/log.h"
#include "lib/tls/facts.h"
#include "lib/tls/kernel.h"
#include "lib/tls/kernel_flow.h"
#include "lib/tls/kernel_keys.h"
#include "lib/tls/tls.h"
#include "server/conn/conn_priv.h"
#include "server/request/request.h"
#include "server/transport/records.h"
#include "server/worker.h"

#define CONTROLS_AT_ONCE 8 // records taken by one look, so that a flood of them has its turns too

void conn_tls_flush(struct conn *c)
{
    if (!records_waiting(c) || c->step == CONN_closing)
        return;
    switch (records_flush(c)) {
    case TRANSPORT_DONE:
        return;
    case TRANSPORT_ERROR:
        conn_broken(c, 0);
        return;
    case TRANSPORT_RETRY:
        conn_retry_soon(c);
        return;
    default:
        conn_wait_for(c, POLLOUT);
    }
}

void conn_tls_fail(struct conn *c)
{
    char why[TLS_ERROR_MAX];
    bool client_fault, greeting = c->step == CONN_handshake;

    tls_failure(c->tls, why, &client_fault);
    conn_log(c, client_fault ? LOG_LEVEL_INFO : LOG_LEVEL_CRIT, 0, "%s%s", why,
              greeting ? " while SSL handshaking" : "");
    if (greeting)
        stats_add(&c->worker->stats->tls_failed, 1);
    if (records_waiting(c) && records_flush(c) != TRANSPORT_DONE)
        conn_log(c, LOG_LEVEL_DEBUG, 0, "the alert did not go out");
    c->broken = true;
    conn_close(c);
}

static void stop_reading(struct conn *c, enum tls_result result)
{
    switch (result) {
    case TLS_WANT_INPUT:
        break;
    case TLS_CLOSED:
        conn_end_of_stream(c);
        break;
    case TLS_FAILED:
        conn_tls_fail(c);
        break;
    default: // the kernel's side is full of what OpenSSL has to say in between
        conn_broken(c, EAGAIN);
    }
}

// With the kernel sending, OpenSSL never gets to answer a KeyUpdate: what is under way is finished
// under the old keys, and nothing more is read, but what HTTP/2 needs to finish.
static void check_key_update(struct conn *c)
{
    if (c->step == CONN_closing || c->eof || c->security != CONN_SECURITY_kernel_send ||
        !tls_owes_key_update(c->tls) || (c->http2 != NULL && c->draining))
        return;
    conn_log(c, LOG_LEVEL_INFO, 0,
              "client asked for new keys, which the kernel cannot take on; closing");
    if (c->http2 != NULL)
        conn_drain(c);
    else
        conn_end_of_stream(c);
}

void conn_tls_received(struct conn *c, const char *bytes, size_t n)
{
    struct tls *t = c->tls;
    char *plain = c->worker->plain;

    tls_feed(t, bytes, n);
    while (c->step != CONN_closing && !c->eof) {
        bool was_done = t->handshake_done;
        size_t got;
        enum tls_result result = tls_read(t, plain, TLS_RECORD_MAX, &got);
        if (!was_done && t->handshake_done)
            conn_handshake_note_end(c);
        if (result != TLS_DONE) {
            stop_reading(c, result);
            break;
        }
        c->early = !t->handshake_done;
        conn_take_in(c, plain, got);
    }
    t->in_len = 0;
    check_key_update(c);
    conn_tls_flush(c);
}

// What comes from here on cannot be read, and stays in the socket: closed as after a FIN, it would
// answer with a reset, and what a slow client has not taken yet would be lost. A draining
// connection lingers instead.
static void end_unread(struct conn *c)
{
    bool answering =
        c->step == CONN_send || (c->step == CONN_handle && !c->request->limits.delayed);

    if (c->http2 != NULL || (answering && c->pending == NULL))
        conn_drain(c);
    else
        conn_end_of_stream(c);
}

// From Linux 6.14 on. When our own keys cannot be changed at once, because the socket is full, the
// connection ends with the response under way, as on an older kernel.
static bool change_keys(struct conn *c, bool ours_too)
{
    struct tls_kernel_keys *keys = c->kernel_keys;

    if (keys == NULL || tls_kernel_keys_follow(keys, c->fd) != 0)
        return false;
    int rc = ours_too ? tls_kernel_keys_change(keys, c->fd) : 0;
    if (ours_too && rc == 0)
        c->flow = (struct tls_kernel_flow){0}; // the kernel numbers records anew
    if (rc != 0 && rc != -EAGAIN)
        conn_broken(c, -rc); // the change was announced, so nothing can be said under the old keys
    return rc == 0;
}

static int alert(struct conn *c, uint8_t level, uint8_t description)
{
    int rc = tls_kernel_alert(c->fd, level, description);

    if (rc == 0)
        c->taken += TLS_ALERT_SIZE;
    return rc;
}

// False when nothing more is to be read.
static bool obey(struct conn *c, enum tls_control what)
{
    switch (what) {
    case TLS_CONTROL_DATA:
    case TLS_CONTROL_IGNORE:
        return true;
    case TLS_CONTROL_RENEGOTIATE:
        if (alert(c, TLS_ALERT_WARNING, TLS_NO_RENEGOTIATION) == 0)
            return true;
        conn_broken(c, 0);
        return false;
    case TLS_CONTROL_KEY_UPDATE:
    case TLS_CONTROL_KEY_UPDATE_REQUESTED:
        if (change_keys(c, what == TLS_CONTROL_KEY_UPDATE_REQUESTED))
            return true;
        if (c->step == CONN_closing)
            return false;
        conn_log(c, LOG_LEVEL_INFO, 0,
                  "client changed its keys, which the kernel cannot follow; closing");
        end_unread(c);
        return false;
    case TLS_CONTROL_CLOSE:
        conn_end_of_stream(c);
        return false;
    case TLS_CONTROL_ABORT:
        conn_broken(c, ECONNRESET);
        return false;
    case TLS_CONTROL_BAD:
        break;
    }
    conn_log(c, LOG_LEVEL_INFO, 0, "client sent an unexpected TLS record");
    if (tls_kernel_alert(c->fd, TLS_ALERT_FATAL, TLS_UNEXPECTED_MESSAGE) != 0)
        conn_log(c, LOG_LEVEL_DEBUG, 0, "the alert did not go out");
    conn_broken(c, EPROTO);
    return false;
}

bool conn_tls_control(struct conn *c)
{
    char *plain = c->worker->plain;

    for (int i = 0; i < CONTROLS_AT_ONCE; i++) {
        uint8_t type = TLS_APPLICATION_DATA;
        ssize_t n = tls_kernel_receive(c->fd, plain, TLS_RECORD_MAX, &type);
        if (n == -EAGAIN)
            return true;
        if (n < 0) {
            conn_broken(c, (int)-n);
            return false;
        }
        if (n == 0 && type == TLS_APPLICATION_DATA) {
            conn_end_of_stream(c);
            return false;
        }
        if (type == TLS_APPLICATION_DATA)
            conn_take_in(c, plain, (size_t)n);
        else if (!obey(c, tls_control_judge(c->tls13, type, plain, (size_t)n)))
            return false;
        if (c->step == CONN_closing || c->read_paused)
            return false;
    }
    return true;
}

void conn_tls_refused(struct conn *c, int err)
{
    uint8_t alert = err == EMSGSIZE ? TLS_RECORD_OVERFLOW : TLS_BAD_RECORD_MAC;

    conn_log(c, LOG_LEVEL_INFO, err, "TLS record was refused (alert %u)", alert);
    if (tls_kernel_alert(c->fd, TLS_ALERT_FATAL, alert) != 0)
        conn_log(c, LOG_LEVEL_DEBUG, 0, "the alert did not go out");
    c->broken = true;
    if (c->request != NULL && c->request->response.status == 0)
        c->request->response.status = 400;
    conn_close(c);
}

// False when the socket has no room for it.
static bool say_close_notify(struct conn *c)
{
    if (c->transport == &transport_kernel)
        return alert(c, TLS_ALERT_WARNING, TLS_CLOSE_NOTIFY) != -EAGAIN;
    tls_close(c->tls);
    if (!records_waiting(c))
        return true;
    enum transport_result rc = records_flush(c);
    return rc != TRANSPORT_AGAIN && rc != TRANSPORT_RETRY;
}

bool conn_tls_goodbye(struct conn *c)
{
    if (c->security == CONN_SECURITY_plain || c->broken || c->step == CONN_handshake)
        return true;
    if (c->tls != NULL && c->tls->ssl != NULL && !c->tls->handshake_done)
        return true;
    c->broken = say_close_notify(c);
    return c->broken;
}

uint64_t conn_tls_held(const struct conn *c)
{
    return c->transport == &transport_kernel ? tls_kernel_held(&c->flow, c->fd, c->taken) : 0;
}

void conn_tls_free(struct conn *c)
{
    record_buffer_give(c->worker, c->cold);
    tls_facts_free(c->facts);
    tls_kernel_keys_free(c->kernel_keys);
    if (c->tls == NULL)
        return;
    records_drop(c);
    tls_free(c->tls);
}
