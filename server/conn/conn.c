// SPDX-License-Identifier: Apache-2.0
//
// The life of a connection: from an accepted socket over its requests to its end. What is sent is
// the protocol's business, what is received conn_input.c's.
#include "server/conn/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/net/sockopt.h"
#include "server/conn/conn_priv.h"
#include "server/conn/conn_tls.h"
#include "server/conn/linger.h"
#include "server/http2/http2.h"
#include "server/bounds.h"
#include "server/locality/locality.h"
#include "server/log/log_writer.h"
#include "server/request/request.h"
#include "server/worker.h"

#define FREE_CONNS_MAX 1024

const char *conn_security_name(enum conn_security security)
{
    static const char *const names[] = {
#define SECURITY(name, text) [CONN_SECURITY_##name] = text,
        CONN_SECURITIES(SECURITY)
#undef SECURITY
    };

    return names[security];
}

// The gauge a step is counted in, as stub_status divides connections.
static _Atomic int64_t *gauge_of(struct conn *c)
{
    struct stats *s = c->worker->stats;

    switch ((enum conn_step)c->step) {
    case CONN_idle:
        return &s->waiting;
    case CONN_handshake:
    case CONN_head:
        return &s->reading;
    case CONN_closing:
        return NULL;
    default:
        return &s->writing;
    }
}

void conn_set_step(struct conn *c, enum conn_step step)
{
    _Atomic int64_t *old = gauge_of(c);

    c->step = (uint8_t)step;
    _Atomic int64_t *fresh = gauge_of(c);
    if (old == fresh)
        return;
    if (old != NULL)
        stats_add(old, -1);
    if (fresh != NULL)
        stats_add(fresh, 1);
}

// A later deadline leaves the timer where it is: when that fires too early it is armed again for
// the rest. A busy connection then never touches the wheel.
void conn_deadline(struct conn *c, int64_t delay_ms)
{
    struct wheel *wheel = &c->worker->ring.wheel;

    c->deadline_ms = clock_mono_ms() + (uint64_t)delay_ms;
    if (!timer_armed(&c->timer) || c->timer.expires > c->deadline_ms)
        timer_arm(wheel, &c->timer, (uint64_t)delay_ms);
}

void conn_no_deadline(struct conn *c)
{
    c->deadline_ms = UINT64_MAX;
}

// There may be room all the time, so the deadline's timer is borrowed for a pause.
void conn_retry_soon(struct conn *c)
{
    c->retry_send = true;
    timer_arm(&c->worker->ring.wheel, &c->timer, SEND_RETRY_MS);
}

static void timed_out(struct conn *c)
{
    if (c->step == CONN_handshake)
        conn_handshake_abandon(c, ETIMEDOUT, "client timed out");
    else if (c->step == CONN_linger)
        conn_linger_timed_out(c);
    else
        c->protocol->timed_out(c);
}

static void timer_fired(struct timer *t)
{
    struct conn *c = container_of(t, struct conn, timer);
    uint64_t now = clock_mono_ms();

    if (c->step == CONN_closing || c->deadline_ms == UINT64_MAX)
        return;
    conn_enter(c);
    if (c->deadline_ms <= now) {
        timed_out(c);
    } else {
        timer_arm(&c->worker->ring.wheel, t, c->deadline_ms - now);
        if (c->retry_send) {
            c->retry_send = false;
            if (c->step == CONN_linger)
                conn_linger_again(c);
            else
                c->protocol->retry_send(c);
        }
    }
    conn_leave(c);
}

static struct conn *conn_alloc(struct worker *w)
{
    struct conn *c = w->free_conns;

    if (c == NULL)
        return calloc(1, sizeof(*c));
    w->free_conns = c->next_free;
    w->nfree_conns--;
    memset(c, 0, sizeof(*c));
    return c;
}

static void conn_free(struct conn *c)
{
    struct worker *w = c->worker;

    c->magic = 0;
    if (w->nfree_conns >= FREE_CONNS_MAX) {
        free(c);
        return;
    }
    c->next_free = w->free_conns;
    w->free_conns = c;
    w->nfree_conns++;
}

static uint64_t next_number(struct worker *w)
{
    return __atomic_add_fetch(w->connection_counter, 1, __ATOMIC_RELAXED);
}

static void warn_of_reuse(struct worker *w)
{
    uint64_t now = clock_mono_ms();

    if (w->reuse_logged_ms != 0 && now - w->reuse_logged_ms < REUSE_WARN_MS)
        return;
    w->reuse_logged_ms = now;
    log_warn(0, "%lld worker_connections are not enough, reusing connections",
             (long long)w->config->main.worker_connections);
}

// When worker_connections are used up, the connection that has been idle longest makes room, as in
// nginx.
static bool make_room(struct worker *w)
{
    if (w->nconns < (uint64_t)w->config->main.worker_connections)
        return true;
    if (!list_empty(&w->idle)) {
        warn_of_reuse(w);
        conn_close(list_first(&w->idle, struct conn, idle_node));
        return true;
    }
    log_alert(0, "%lld worker_connections are not enough",
              (long long)w->config->main.worker_connections);
    return false;
}

static void writable(struct op *op, int32_t res, uint32_t flags)
{
    struct conn *c = container_of(op, struct conn, poll);

    (void)flags;
    conn_enter(c);
    if (c->step == CONN_handshake)
        conn_handshake_ready(c, res);
    else if (c->step == CONN_linger)
        conn_linger_writable(c);
    else if (c->step != CONN_closing)
        c->protocol->writable(c, res);
    conn_leave(c);
}

void conn_open(struct worker *w, const struct listen_conf *listen, int fd)
{
    struct conn *c = NULL;

    if (make_room(w))
        c = conn_alloc(w);
    if (c == NULL) {
        close(fd);
        return;
    }
    stats_add(&w->stats->handled, 1);
    stats_add(&w->stats->active, 1);
    stats_add(&w->stats->waiting, 1);
    c->magic = CONN_MAGIC;
    c->fd = fd;
    c->worker = w;
    c->listen = listen;
    c->protocol = &protocol_http1;
    c->transport = &transport_plain;
    c->number = next_number(w);
    c->start_ms = clock_mono_ms();
    c->step = CONN_idle;
    c->draining = w->draining;
    op_init(&c->recv, conn_received);
    op_init(&c->poll, writable);
    timer_init(&c->timer, timer_fired);
    list_append(&w->conns, &c->node);
    list_append(&w->idle, &c->idle_node);
    w->nconns++;
    handoff_count(w);
    conn_find_way(c);
    conn_enter(c);
    conn_deadline(c, c->listen->names.fallback->client_header_timeout);
    if (c->listen->ssl) {
        conn_handshake_begin(c);
    } else {
        if (c->listen->http2 || c->listen->names.fallback->http2.on)
            http2_expect_preface(c);
        conn_start_receiving(c);
    }
    conn_leave(c);
}

void conn_find_way(struct conn *c)
{
    struct locality *l = c->worker->handoff.setup.locality;

    c->way = WAY_UNKNOWN;
    if (l != NULL)
        locality_way(l, c->fd, &c->way);
}

void conn_start_receiving(struct conn *c)
{
    if (op_in_flight(&c->recv) || c->step == CONN_closing)
        return;
    c->read_paused = false;
    int rc = ring_recv(&c->worker->ring, &c->recv, c->fd);
    if (rc != 0) {
        log_write(LOG_LEVEL_ALERT, c->number, -rc, "receiving could not be started");
        conn_close(c);
    }
}

void conn_wait_for(struct conn *c, unsigned events)
{
    if (op_in_flight(&c->poll))
        return;
    int rc = ring_poll(&c->worker->ring, &c->poll, c->fd, events);
    if (rc != 0)
        conn_broken(c, -rc);
}

// The last step: nothing is in flight, so the socket and the object can go.
static void conn_destroy(struct conn *c)
{
    struct worker *w = c->worker;

    if (c->reset_on_close)
        (void)net_set_linger_reset(c->fd);
    close(c->fd);
    free(c->pending);
    c->protocol->free(c);
    conn_tls_free(c);
    list_remove(&c->node);
    w->nconns--;
    handoff_count(w);
    stats_add(&w->stats->active, -1);
    conn_free(c);
    worker_conn_gone(w);
}

static void destroy_if_quiet(struct conn *c)
{
    if (!c->protocol->give_up(c) || op_in_flight(&c->recv) || op_in_flight(&c->poll))
        return;
    conn_destroy(c);
}

void conn_enter(struct conn *c)
{
    check_magic(c, CONN_MAGIC);
    c->entered++;
}

void conn_leave(struct conn *c)
{
    c->entered--;
    if (c->entered == 0 && c->step == CONN_closing)
        destroy_if_quiet(c);
}

void conn_close(struct conn *c)
{
    struct ring *ring = &c->worker->ring;

    check_magic(c, CONN_MAGIC);
    if (c->step == CONN_closing)
        return;
    // A response that was not finished must not look as if it were.
    if (!c->protocol->answering(c))
        (void)conn_tls_goodbye(c);
    conn_set_step(c, CONN_closing);
    timer_cancel(&ring->wheel, &c->timer);
    list_remove(&c->idle_node);
    (void)c->protocol->give_up(c);
    ring_cancel(ring, &c->recv);
    ring_cancel(ring, &c->poll);
    if (c->entered == 0)
        destroy_if_quiet(c);
}

void conn_drain(struct conn *c)
{
    c->draining = true;
    c->protocol->drain(c);
}

const struct server_conf *conn_server(const struct conn *c)
{
    return c->tls_server != NULL ? c->tls_server : c->listen->names.fallback;
}

bool conn_is_spent(const struct conn *c, const struct location_conf *l)
{
    return l->keepalive_timeout == 0 || c->requests >= (uint64_t)l->keepalive_requests ||
           clock_mono_ms() - c->start_ms > (uint64_t)l->keepalive_time;
}

bool conn_wait_for_log(struct conn *c)
{
    uint64_t ticket = log_writers_error_ticket(c->worker);

    if (log_writers_errors_written(c->worker, ticket))
        return false;
    c->log_ticket = ticket;
    if (c->awaits_log)
        return true;
    c->awaits_log = true;
    list_remove(&c->idle_node);
    list_append(&c->worker->log_waiters, &c->idle_node);
    conn_deadline(c, LOG_WAIT_MS);
    return true;
}

void conn_log_settled(struct conn *c)
{
    list_remove(&c->idle_node);
    c->awaits_log = false;
    c->protocol->log_settled(c);
}

void conn_peer(struct conn *c)
{
    socklen_t n = sizeof(c->peer);

    if (c->peer_known)
        return;
    c->peer_known = true;
    if (getpeername(c->fd, &c->peer.sa, &n) != 0 || c->peer.sa.sa_family == AF_UNIX)
        c->peer.sa.sa_family = 0;
}
