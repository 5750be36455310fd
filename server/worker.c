// SPDX-License-Identifier: Apache-2.0
//
// A worker: sets up its ring, listens, and runs until told to stop or until a drain is over.
#include "server/worker.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/regex.h"
#include "lib/base/sys.h"
#include "lib/tls/kernel.h"
#include "lib/tls/tls.h"
#include "server/conn/conn.h"
#include "server/conn/conn_tls.h"
#include "server/http2/http2.h"
#include "server/bounds.h"
#include "server/filters/gzip_cache.h"
#include "server/locality/locality.h"
#include "server/log/log_writer.h"
#include "server/tls/kernel_support.h"

#define CHUNKS_KEPT 256 // arena chunks a worker keeps for its next requests

static void start_accepting(struct worker *w);

static void pause_accepting(struct worker *w, int err)
{
    uint64_t now = clock_mono_ms();

    // One line for as long as it lasts, though single connections get through in between.
    if (w->accept_refused_ms == 0 || now - w->accept_refused_ms > ACCEPT_CALM_MS)
        log_crit(err, "accept4() failed, accepting pauses");
    w->accept_refused_ms = now;
    if (!w->accept_paused)
        stats_add(&w->stats->accept_pauses, 1);
    w->accept_paused = true;
    timer_arm(&w->ring.wheel, &w->accept_retry, ACCEPT_RETRY_MS);
}

static void take_queued(struct worker *w, struct listener *l)
{
    int fd;

    while ((fd = sys->accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        handoff_accepted(w, l, fd);
}

// A wake-up for a connection may have gone to the accept that was just cancelled (its wait is
// exclusive), and nobody else would be told of it: what is queued is taken on here. Then the socket
// is closed: with its last copy gone, clients are refused.
static void leave_listener(struct worker *w, struct listener *l)
{
    if (l->fd < 0)
        return;
    if (!w->stopping)
        take_queued(w, l);
    close(l->fd);
    l->fd = -1;
    worker_may_end(w);
}

static void accept_ended(struct worker *w, struct listener *l, int32_t res)
{
    if (w->draining) {
        leave_listener(w, l);
        return;
    }
    switch (res) {
    case -EMFILE:
    case -ENFILE:
    case -ENOBUFS:
    case -ENOMEM:
        pause_accepting(w, -res);
        return;
    case -ECANCELED:
        return;
    default:
        if (res < 0 && res != -ECONNABORTED && res != -EINTR && res != -EAGAIN)
            log_alert(-res, "accept4() failed");
        break;
    }
    int rc = ring_accept(&w->ring, &l->accept, l->fd);
    if (rc != 0)
        pause_accepting(w, -rc);
}

static void accepted(struct op *op, int32_t res, uint32_t flags)
{
    struct listener *l = container_of(op, struct listener, accept);
    struct worker *w = l->worker;

    (void)flags;
    check_magic(w, WORKER_MAGIC);
    if (res >= 0)
        handoff_accepted(w, l, res);
    if (!op_in_flight(op))
        accept_ended(w, l, res);
}

static void start_accepting(struct worker *w)
{
    w->accept_paused = false;
    for (unsigned i = 0; i < w->nlisteners; i++) {
        struct listener *l = &w->listeners[i];
        if (op_in_flight(&l->accept))
            continue;
        int rc = ring_accept(&w->ring, &l->accept, l->fd);
        if (rc != 0)
            pause_accepting(w, -rc);
    }
}

static void retry_accepting(struct timer *t)
{
    struct worker *w = container_of(t, struct worker, accept_retry);

    if (!w->draining)
        start_accepting(w);
}

// An accept that finds nobody takes a descriptor for a moment, which may be somebody's last.
static bool is_somebody_queued(const struct listener *l)
{
    struct pollfd p = {.fd = l->fd, .events = POLLIN};

    return poll(&p, 1, 0) > 0;
}

// The same with the accept of a silo that was killed: the kernel takes its ring down behind its
// back, and until then wakes it. So a worker looks for itself for a while when it is new.
static void look_at_queues(struct timer *t)
{
    struct worker *w = container_of(t, struct worker, accept_look);

    if (w->draining)
        return;
    for (unsigned i = 0; i < w->nlisteners && !w->accept_paused; i++) {
        if (is_somebody_queued(&w->listeners[i]))
            take_queued(w, &w->listeners[i]);
    }
    w->accept_look_ms *= 2;
    if (w->accept_look_ms <= ACCEPT_LOOK_MAX_MS)
        timer_arm(&w->ring.wheel, t, w->accept_look_ms);
}

static bool accepts_in_flight(const struct worker *w)
{
    for (unsigned i = 0; i < w->nlisteners; i++) {
        if (op_in_flight(&w->listeners[i].accept))
            return true;
    }
    return false;
}

void worker_may_end(struct worker *w)
{
    if (w->draining && w->nconns == 0 && !accepts_in_flight(w) && handoff_has_left(w))
        ring_stop(&w->ring);
}

void worker_conn_gone(struct worker *w)
{
    if (w->accept_paused && !w->draining)
        timer_arm(&w->ring.wheel, &w->accept_retry, 0);
    worker_may_end(w);
}

// One whose accept is in flight is left when that comes home.
static void leave_listeners(struct worker *w)
{
    for (unsigned i = 0; i < w->nlisteners; i++) {
        struct listener *l = &w->listeners[i];
        if (op_in_flight(&l->accept))
            ring_cancel(&w->ring, &l->accept);
        else
            leave_listener(w, l);
    }
}

static void drain_expired(struct timer *t)
{
    struct worker *w = container_of(t, struct worker, drain_deadline);

    list_each_safe (node, &w->conns)
        conn_close(container_of(node, struct conn, node));
    worker_may_end(w);
}

static void drain(struct worker *w)
{
    if (w->draining)
        return;
    w->draining = true;
    timer_cancel(&w->ring.wheel, &w->accept_retry);
    leave_listeners(w);
    handoff_leave(w);
    list_each_safe (node, &w->conns)
        conn_drain(container_of(node, struct conn, node));
    if (w->config->main.worker_shutdown_timeout > 0)
        timer_arm(&w->ring.wheel, &w->drain_deadline,
                  (uint64_t)w->config->main.worker_shutdown_timeout);
    worker_may_end(w);
}

struct command_mail {
    struct ring_mail mail;
    struct worker *worker;
    enum worker_command command;
};

static void carry_out(struct ring_mail *mail)
{
    struct command_mail *m = container_of(mail, struct command_mail, mail);
    struct worker *w = m->worker;
    enum worker_command command = m->command;

    free(m);
    check_magic(w, WORKER_MAGIC);
    switch (command) {
    case WORKER_DRAIN:
        drain(w);
        break;
    case WORKER_STOP:
        ring_stop(&w->ring);
        break;
    case WORKER_REOPEN_LOGS:
        log_writers_reopen(w);
        break;
    case WORKER_FIND_WAYS:
        list_each (node, &w->conns)
            conn_find_way(container_of(node, struct conn, node));
        break;
    }
}

void worker_command(struct worker *w, enum worker_command command)
{
    struct command_mail *m = malloc(sizeof(*m));

    // Without 32 bytes of memory the order is lost; whoever gave it sees that the worker goes on.
    if (m == NULL)
        return;
    *m = (struct command_mail){.mail.deliver = carry_out, .worker = w, .command = command};
    // A worker may end by itself at any moment, and its ring with it.
    pthread_mutex_lock(&w->command_lock);
    if (w->gone)
        free(m);
    else
        ring_post(NULL, &w->ring, &m->mail);
    pthread_mutex_unlock(&w->command_lock);
}

// From here on nobody posts, and what was posted is delivered.
static void end_commands(struct worker *w)
{
    handoff_end(w);
    pthread_mutex_lock(&w->command_lock);
    w->gone = true;
    pthread_mutex_unlock(&w->command_lock);
    if (ring_turn(&w->ring, false) != 0)
        log_alert(0, "the event loop failed");
}

static void end_of_turn(struct ring_hook *hook)
{
    struct worker *w = container_of(hook, struct worker, turn);

    conn_handshakes_run(w);
    log_writers_turn(w);
    if (w->index == 0 && w->handoff.setup.locality != NULL)
        locality_publish(w->handoff.setup.locality, w->stats);
    // In the order of their tickets.
    while (!list_empty(&w->log_waiters)) {
        struct conn *c = list_first(&w->log_waiters, struct conn, idle_node);
        if (!log_writers_errors_written(w, c->log_ticket))
            break;
        conn_enter(c);
        conn_log_settled(c);
        conn_leave(c);
    }
}

static int open_listeners(struct worker *w, const struct worker_setup *setup)
{
    w->listeners = calloc(setup->nlisteners != 0 ? setup->nlisteners : 1, sizeof(*w->listeners));
    if (w->listeners == NULL)
        return -ENOMEM;
    w->nlisteners = setup->nlisteners;
    for (unsigned i = 0; i < w->nlisteners; i++) {
        struct listener *l = &w->listeners[i];
        l->worker = w;
        l->conf = setup->listen_confs[i];
        l->fd = setup->listen_fds[i];
        op_init(&l->accept, accepted);
    }
    return 0;
}

// OpenSSL talks through the socket only where that may end in the kernel.
static bool wants_kernel_tls(const struct http_conf *http)
{
    if (http == NULL || server_tls_kernel()->error != 0)
        return false;
    for (unsigned i = 0; i < http->nservers; i++) {
        const struct tls_context *context = http->servers[i]->tls.context;
        if (context != NULL && context->kernel)
            return true;
    }
    return false;
}

// What the kernel does for the ring beside this thread shall fill pages on the silo's node.
static void place_ring(struct worker *w, const cpu_set_t *cpus)
{
    int rc = cpus != NULL ? ring_place(&w->ring, cpus, 0) : 0;

    if (rc != 0 && w->index == 0)
        log_info(-rc, "io_uring's threads could not be bound to the silo's CPUs");
}

static int init(struct worker *w, const struct worker_setup *setup)
{
    char why[512];

    w->magic = WORKER_MAGIC;
    pthread_mutex_init(&w->command_lock, NULL);
    w->index = setup->index;
    w->config = setup->config;
    w->stats = setup->stats;
    w->connection_counter = setup->connection_counter;
    w->chunks.keep = CHUNKS_KEPT;
    list_init(&w->conns);
    list_init(&w->idle);
    list_init(&w->log_waiters);
    list_init(&w->handshakes);
    w->kernel_tls = wants_kernel_tls(w->config->http);
    timer_init(&w->accept_retry, retry_accepting);
    timer_init(&w->accept_look, look_at_queues);
    timer_init(&w->drain_deadline, drain_expired);
    w->turn.run = end_of_turn;
    int rc = ring_init(&w->ring, why, sizeof(why));
    if (rc != 0) {
        log_emerg(-rc, "%s", why);
        return rc;
    }
    place_ring(w, setup->cpus);
    w->scratch = malloc(WORKER_SCRATCH);
    w->plain = malloc(TLS_RECORD_MAX);
    if (w->scratch == NULL || w->plain == NULL)
        return -ENOMEM;
    unsigned caches = w->config->http != NULL ? w->config->http->cache_count : 0;
    rc = file_table_init(&w->files, &w->ring, caches);
    if (rc == 0)
        rc = log_writers_init(w);
    if (rc == 0)
        rc = open_listeners(w, setup);
    if (rc == 0)
        ring_add_hook(&w->ring, &w->turn);
    return rc;
}

static bool is_busy(const struct worker *w)
{
    return w->nconns != 0 || accepts_in_flight(w) || w->files.opening != 0 ||
           w->dropping != 0 || op_in_flight(&w->handoff.poll);
}

// Turns until nothing is in flight any more, so that every object can be freed.
static void quiesce(struct worker *w)
{
    w->draining = w->stopping = true;
    leave_listeners(w);
    list_each_safe (node, &w->conns)
        conn_close(container_of(node, struct conn, node));
    for (int turn = 0; turn < 1000 && is_busy(w); turn++) {
        if (ring_turn(&w->ring, true) != 0)
            break;
    }
}

static void free_pools(struct worker *w)
{
    while (w->free_conns != NULL) {
        struct conn *c = w->free_conns;
        w->free_conns = c->next_free;
        free(c);
    }
    worker_free_requests(w);
    gzip_cache_free(w->gzip_cache);
    arena_pool_drain(&w->chunks);
    regex_thread_end();
    free(w->scratch);
    free(w->plain);
    record_buffers_free(w);
    http2_worker_free(w);
    free(w->listeners);
}

int worker_run(struct worker *w, const struct worker_setup *setup,
               void (*ready)(struct worker *w, void *ctx), void *ctx)
{
    int rc = init(w, setup);

    if (rc != 0)
        return rc;
    if (w->index == 0) {
        char features[256];
        ring_describe(&w->ring.features, features, sizeof(features));
        log_notice(0, "%s", features);
    }
    handoff_begin(w, &setup->handoff);
    start_accepting(w);
    w->accept_look_ms = ACCEPT_LOOK_MIN_MS;
    timer_arm(&w->ring.wheel, &w->accept_look, w->accept_look_ms);
    ready(w, ctx);
    rc = ring_run(&w->ring);
    if (rc != 0)
        log_alert(-rc, "the event loop failed");
    end_commands(w);
    quiesce(w);
    log_writers_finish(w);
    // What could not come home in time stays allocated: the process is about to end.
    if (!is_busy(w)) {
        file_table_destroy(&w->files);
        ring_destroy(&w->ring);
        free_pools(w);
    }
    return rc;
}
