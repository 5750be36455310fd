// SPDX-License-Identifier: Apache-2.0
//
// The handshake. A step of it costs up to a millisecond of computing, so connections that have one
// to take queue up, and the queue gets no more of the worker's time than everything else had.
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/tls/facts.h"
#include "lib/tls/kernel.h"
#include "lib/tls/kernel_flow.h"
#include "lib/tls/kernel_keys.h"
#include "lib/tls/tls.h"
#include "server/bounds.h"
#include "server/conn/conn_priv.h"
#include "server/conn/conn_tls.h"
#include "server/conn/tls_reason.h"
#include "server/http2/http2.h"
#include "server/tls/certificate_hook.h"
#include "server/tls/kernel_support.h"
#include "server/transport/records.h"
#include "server/worker.h"

static const struct tls_context *choose(void *owner, struct sv name)
{
    struct conn *c = owner;
    const struct server_conf *fallback = c->listen->names.fallback, *s = fallback;

    if (name.n != 0)
        c->tls_server = s = name_table_find(&c->listen->names, name, NULL, NULL);
    // A server without a certificate of its own speaks under the default one's.
    if (s->tls.context == NULL)
        s = fallback;
    return s->tls.context->settings->reject_handshake ? NULL : s->tls.context;
}

static int find_certificate(void *owner, const struct tls_context *context, SSL *ssl)
{
    return tls_certificate_hook(owner, context, ssl);
}

// As nginx: the server of the client's name, also where it speaks under another one's certificate.
static bool serves_http2(void *owner)
{
    const struct conn *c = owner;

    return c->listen->http2 || conn_server(c)->http2.on;
}

const struct tls_hooks conn_tls_hooks = {
    .server_name = choose, .certificate = find_certificate, .http2 = serves_http2,
};

void conn_handshake_begin(struct conn *c)
{
    conn_set_step(c, CONN_handshake);
    if (c->worker->kernel_tls) {
        conn_wait_for(c, POLLIN);
        return;
    }
    c->records = true;
    conn_start_receiving(c);
}

void conn_handshake_abandon(struct conn *c, int err, const char *why)
{
    bool done = c->tls != NULL && c->tls->handshake_done; // and counted; its last flight is not out

    stats_add(&c->worker->stats->tls_failed, !done);
    conn_log(c, LOG_LEVEL_INFO, err, "%s while SSL handshaking", why);
    c->broken = true;
    conn_close(c);
}

static void queue(struct conn *c)
{
    if (c->queued)
        return;
    c->queued = true;
    list_remove(&c->idle_node);
    list_append(&c->worker->handshakes, &c->idle_node);
    ring_stay_awake(&c->worker->ring);
}

// Whoever speaks plain HTTP here is told so in plain HTTP (497).
static void go_plain(struct conn *c)
{
    c->plain_on_tls = true;
    c->records = false;
    conn_set_step(c, CONN_idle);
}

enum { FIRST_OF_TLS = 22, FIRST_OF_SSL2 = 0x80 };

// False when there will be no handshake.
static bool open_tls(struct conn *c, unsigned char first)
{
    enum tls_mode mode = c->worker->kernel_tls ? TLS_THROUGH_SOCKET : TLS_THROUGH_MEMORY;

    if (first != FIRST_OF_TLS && !(first & FIRST_OF_SSL2)) {
        go_plain(c);
        return false;
    }
    c->tls = tls_open(c->listen->names.fallback->tls.context, c->fd, mode, c);
    if (c->tls == NULL) {
        stats_add(&c->worker->stats->tls_failed, 1);
        conn_log(c, LOG_LEVEL_CRIT, ENOMEM, "SSL_new() failed");
        conn_close(c);
        return false;
    }
    c->tls->out.reserve = records_reserve;
    return true;
}

void conn_handshake_received(struct conn *c, const char *bytes, size_t n)
{
    if (c->tls == NULL && !open_tls(c, (unsigned char)bytes[0])) {
        if (c->step != CONN_closing)
            conn_take_in(c, bytes, n);
        return;
    }
    conn_keep_pending(c, bytes, n);
    if (c->step != CONN_closing)
        queue(c);
}

static void look_at_first(struct conn *c)
{
    unsigned char first;
    ssize_t n = recv(c->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        conn_wait_for(c, POLLIN);
    else if (n <= 0)
        conn_handshake_abandon(c, n < 0 ? errno : 0, "client closed the connection");
    else if (open_tls(c, first))
        queue(c);
    else if (c->step != CONN_closing)
        conn_start_receiving(c);
}

void conn_handshake_ready(struct conn *c, int32_t res)
{
    if (res < 0)
        conn_handshake_abandon(c, -res, "waiting for the client failed");
    else if (c->tls == NULL)
        look_at_first(c);
    else
        queue(c);
}

// The transport follows from which directions the kernel has now.
static void adopt(struct conn *c)
{
    unsigned kernel = tls_kernel(c->tls);

    if (kernel == TLS_KERNEL_SEND && tls_kernel_receives_too(c->tls))
        kernel |= TLS_KERNEL_RECEIVE;
    bool sends = kernel & TLS_KERNEL_SEND;

    c->records = !(kernel & TLS_KERNEL_RECEIVE);
    c->transport = sends ? &transport_kernel : &transport_userspace;
    c->security = !sends       ? CONN_SECURITY_userspace
                  : c->records ? CONN_SECURITY_kernel_send
                               : CONN_SECURITY_kernel;
    c->batch = RECORD_BATCH / 4;
    if (tls_leave_socket(c->tls) != 0)
        conn_broken(c, ENOMEM);
}

static void count(struct conn *c)
{
    struct stats *s = c->worker->stats;

    stats_add(&s->tls_handshakes, 1);
    stats_add(&s->tls_resumed, SSL_session_reused(c->tls->ssl) != 0);
    switch ((enum conn_security)c->security) {
    case CONN_SECURITY_kernel:
        stats_add(&s->tls_kernel, 1);
        return;
    case CONN_SECURITY_kernel_send:
        stats_add(&s->tls_kernel_send, 1);
        break;
    default:
        stats_add(&s->tls_userspace, 1);
    }
    tls_reason_report(c);
}

// OpenSSL's object goes wherever it can: it is most of what an idle connection would cost. What the
// variables want to know of it is kept.
static void release_ssl(struct conn *c)
{
    uint32_t wanted = c->worker->config->http->tls_facts_wanted;
    struct tls_facts *facts = wanted != 0 ? tls_facts_keep(c->tls->ssl, wanted) : NULL;

    if (c->security == CONN_SECURITY_kernel) {
        if (server_tls_kernel()->rekey)
            c->kernel_keys = tls_kernel_keys_keep(c->tls->ssl, &c->tls->secrets);
        records_drop(c);
        tls_free(c->tls);
        c->tls = NULL;
    } else if (!tls_take_over(c->tls)) {
        tls_facts_free(facts);
        return;
    }
    c->facts = facts;
}

void conn_handshake_note_end(struct conn *c)
{
    const SSL *ssl = c->tls->ssl;

    c->early = false;
    c->tls13 = SSL_version(ssl) >= TLS1_3_VERSION;
    c->client_cert = SSL_get0_peer_certificate(ssl) != NULL;
    c->verify_error = (int32_t)SSL_get_verify_result(ssl);
    count(c);
}

// What came behind the handshake is the first of what is read.
static void read_rest(struct conn *c)
{
    char *rest = c->pending;
    uint32_t off = c->pending_off, len = c->pending_len;

    c->pending = NULL;
    c->pending_off = c->pending_len = c->pending_cap = 0;
    if (len != off)
        conn_tls_received(c, rest + off, len - off);
    free(rest);
}

// A request that has come with the end of the handshake takes the tickets along with its answer:
// one send less. What is still in the socket will be received, and conn_tls_received() flushes.
static bool is_request_here(const struct conn *c)
{
    char byte;

    return c->security == CONN_SECURITY_userspace &&
           (c->pending != NULL || recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0);
}

// Requests can be read from here on, perhaps as early data.
static void begin_reading(struct conn *c)
{
    adopt(c);
    if (c->step == CONN_closing)
        return;
    if (c->tls->handshake_done)
        conn_handshake_note_end(c);
    else
        c->early = true;
    // Behind early data OpenSSL still has tickets to send, which nobody counts.
    if (c->transport == &transport_kernel && !c->early)
        tls_kernel_flow_begin(&c->flow, c->fd, c->taken);
    if (!is_request_here(c))
        conn_tls_flush(c);
    if (c->step == CONN_closing)
        return;
    conn_set_step(c, CONN_idle);
    list_append(&c->worker->idle, &c->idle_node);
    conn_deadline(c, c->listen->names.fallback->client_header_timeout);
    bool http2 = tls_alpn_is_h2(c->tls->ssl);
    if (!c->early)
        release_ssl(c);
    if (http2)
        http2_begin(c);
    if (c->step == CONN_closing)
        return;
    if (c->tls != NULL && (c->early || c->pending != NULL))
        read_rest(c);
    if (c->step != CONN_closing)
        conn_start_receiving(c);
}

static void took_step(struct conn *c, enum tls_result result)
{
    switch (result) {
    case TLS_DONE:
    case TLS_EARLY:
        begin_reading(c);
        break;
    case TLS_WANT_INPUT:
        conn_tls_flush(c);
        if (c->tls->mode == TLS_THROUGH_SOCKET)
            conn_wait_for(c, POLLIN);
        else
            conn_start_receiving(c); // may have been paused, or at its end, while this waited
        break;
    case TLS_WANT_ROOM:
        conn_wait_for(c, POLLOUT);
        break;
    default:
        conn_tls_fail(c);
    }
}

static void take_step(struct conn *c)
{
    struct tls *t = c->tls;

    c->queued = false;
    list_remove(&c->idle_node);
    conn_enter(c);
    if (t->mode == TLS_THROUGH_MEMORY)
        tls_feed(t, c->pending + c->pending_off, c->pending_len - c->pending_off);
    enum tls_result result = tls_handshake(t);
    if (t->mode == TLS_THROUGH_MEMORY) {
        c->pending_off = c->pending_len - (uint32_t)t->in_len;
        t->in_len = 0;
        if (c->pending_off == c->pending_len)
            conn_drop_pending(c);
    }
    took_step(c, result);
    conn_leave(c);
}

void conn_handshakes_run(struct worker *w)
{
    if (list_empty(&w->handshakes)) {
        w->handshake_debt_ns = 0;
        return;
    }
    uint64_t began = clock_read_ns(), now = began;
    int64_t others = (int64_t)(began - clock_now()->mono_ns);
    // In a turn with nothing else to do, nobody is kept waiting.
    if (others < HANDSHAKE_IDLE_NS)
        w->handshake_debt_ns = -HANDSHAKE_FREE_NS;
    else
        w->handshake_debt_ns -= others;
    while (!list_empty(&w->handshakes) && w->handshake_debt_ns < 0) {
        take_step(list_first(&w->handshakes, struct conn, idle_node));
        uint64_t after = clock_read_ns();
        w->handshake_debt_ns += (int64_t)(after - now);
        now = after;
    }
    w->handshake_debt_ns = max_of(w->handshake_debt_ns, (int64_t)0);
    if (!list_empty(&w->handshakes))
        ring_stay_awake(&w->ring);
}
