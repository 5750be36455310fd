// SPDX-License-Identifier: Apache-2.0
//
// One worker thread: its ring, listeners, connections and pools. Nothing in it is touched by
// another thread but through mail.
#pragma once

#include <pthread.h>

#include "lib/base/arena.h"
#include "lib/file/open_file.h"
#include "lib/ring/ring.h"
#include "server/config/http_conf.h"
#include "server/locality/handoff.h"
#include "server/process/stats.h"
#include "server/transport/records.h"

struct listener {
    struct worker *worker;
    struct listen_conf *conf;
    struct op accept;
    int fd;
};

struct http2_out;
struct log_writers;
struct gzip_cache;

// What connections that speak HTTP/2 share.
struct http2_shared {
    struct nghttp2_session_callbacks *callbacks; // made at first use, as `option`
    struct nghttp2_option *option;
    struct http2_out *free_outs; // recycled
    unsigned nfree_outs;
};

#define WORKER_SCRATCH (160u << 10) // bytes: a response head and a small body are put together
#define WORKER_MAGIC 0x40e6e211u

struct worker {
    uint32_t magic;
    unsigned index;              // in its silo
    const struct config *config; // borrowed from the silo
    struct ring ring;
    struct file_table files;
    struct arena_pool chunks;
    struct stats *stats;
    struct listener *listeners;
    unsigned nlisteners;
    struct timer accept_retry;   // after EMFILE or a full worker_connections
    bool accept_paused;
    struct timer accept_look;    // at what the accepts were not woken for
    uint32_t accept_look_ms;     // the pause before the next look
    uint64_t accept_refused_ms;  // when descriptors last ran out; 0: never
    struct list conns;           // all connections
    struct list log_waiters;     // those whose response waits for an error line
    struct list idle;            // those waiting for a next request, oldest first
    struct conn *free_conns;     // recycled
    struct request *free_requests;
    unsigned nfree_conns, nfree_requests;
    unsigned nconns;
    pthread_mutex_t command_lock; // of `gone` and of posting to the ring
    bool gone;                   // takes no more commands: the ring is about to be closed
    uint64_t reuse_logged_ms;    // the last [warn] that idle connections made room for new ones
    bool draining;               // no new connections; ends when the last is gone
    bool stopping;               // ends now: nothing queued is taken on any more
    struct timer drain_deadline; // worker_shutdown_timeout
    struct log_writers *logs;    // log_writer.h; NULL before init and after finish
    struct log_sink *sinks;      // of the main error log
    struct ring_hook turn;
    struct gzip_cache *gzip_cache; // made at first use
    char *scratch;               // WORKER_SCRATCH bytes
    struct list handshakes;      // connections whose handshake has work to do, in turn
    int64_t handshake_debt_ns;   // time that handshakes had and other work has not had yet
    char *plain;                 // TLS_RECORD_MAX bytes: what a record held
    char *record_buffers[RECORD_BUFFERS_KEPT];
    unsigned nrecord_buffers;
    struct http2_shared http2;
    bool kernel_tls;             // it may be there, and a server wants it
    uint64_t *connection_counter; // *N, unique in the silo
    struct handoff_port handoff;
    unsigned dropping;           // ranges on their way out of the page cache
};

// What the silo gives a worker.
struct worker_setup {
    uint64_t *connection_counter;    // shared by the silo's workers
    const struct config *config;
    const cpu_set_t *cpus;             // of the silo, for the kernel's threads; NULL: any
    unsigned index;
    struct stats *stats;
    const int *listen_fds;             // pairs with listen_confs
    struct listen_conf *const *listen_confs;
    unsigned nlisteners;
    struct handoff_setup handoff;
};

// Runs a worker on the calling thread until it is told to stop or has drained. `ready` is called
// once its listeners accept. 0 or -errno with a line logged.
must_check int worker_run(struct worker *w, const struct worker_setup *setup,
                          void (*ready)(struct worker *w, void *ctx), void *ctx);

// A connection has been destroyed: accepting may go on, a drain may be over.
void worker_conn_gone(struct worker *w);

// Whatever kept a worker that is to end from it may be over.
void worker_may_end(struct worker *w);

// Frees the pool of requests.
void worker_free_requests(struct worker *w);

// From any thread; carried out on the worker's own.
enum worker_command { WORKER_DRAIN, WORKER_STOP, WORKER_REOPEN_LOGS, WORKER_FIND_WAYS };
void worker_command(struct worker *w, enum worker_command command);
