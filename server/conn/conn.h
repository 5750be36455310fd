// SPDX-License-Identifier: Apache-2.0
//
// A client connection: its socket, what of it is in flight on the ring, and the request it is busy
// with. Idle, it holds no buffer and no request. Freed only when no operation is in flight.
#pragma once

#include <netinet/in.h>

#include "lib/base/list.h"
#include "lib/ring/op.h"
#include "lib/ring/timer.h"
#include "lib/tls/kernel_flow.h"
#include "server/locality/way.h"
#include "server/transport/transport.h"

struct http2;
struct location_conf;
struct worker;
struct protocol;
struct request;
struct server_conf;
struct tls;
struct tls_facts;
struct tls_kernel_keys;

// Who makes the records of a TLS connection: $tls_transport, and the counters.
#define CONN_SECURITIES(SECURITY)                                                      \
    SECURITY(plain, "plain")             /* no TLS */                                  \
    SECURITY(userspace, "userspace")     /* this process, both ways */                 \
    SECURITY(kernel_send, "kernel-send") /* the kernel what is sent, OpenSSL the rest */ \
    SECURITY(kernel, "kernel")           /* the kernel, both ways */

enum conn_security {
#define SECURITY(name, text) CONN_SECURITY_##name,
    CONN_SECURITIES(SECURITY)
#undef SECURITY
};

// Steps of a connection's life; the enum, the names for the log and the table of timeouts come from
// here.
#define CONN_STEPS(STEP)                                            \
    STEP(handshake) /* TLS is being agreed on */                    \
    STEP(idle)      /* waits for the first byte of a request */     \
    STEP(head)      /* part of a request head has come */           \
    STEP(body)      /* answered; drops the rest of a request body */ \
    STEP(handle)    /* phases run, perhaps waiting for a file */    \
    STEP(send)      /* a response is under way */                   \
    STEP(streams)   /* HTTP/2: requests are under way */        \
    STEP(linger)    /* answered; reads and drops what still comes */ \
    STEP(closing)   /* waits for operations to come home */

enum conn_step {
#define STEP(name) CONN_##name,
    CONN_STEPS(STEP)
#undef STEP
};

#define CONN_MAGIC 0xc0221ec7u

struct conn {
    uint32_t magic;
    int fd;
    uint8_t step;              // enum conn_step
    bool read_paused;          // receiving was cancelled: enough is pending
    bool eof;                  // the client has sent its FIN
    bool keep_alive;           // after the response under way
    bool reset_on_close;       // reset_timedout_connection
    bool peer_known;
    uint8_t entered;           // callbacks of this connection on the stack: the outermost destroys
    bool retry_send;           // the timer sends again, before any deadline
    bool pumping;              // pending bytes are being fed
    bool awaits_log;           // on worker.log_waiters: its error line goes to the disk first
    bool draining;             // close when the request under way is answered
    uint32_t idle_min_ms;      // keepalive_min_timeout of the last request's location
    uint32_t requests;         // begun on this connection
    struct worker *worker;
    const struct listen_conf *listen;
    const struct protocol *protocol;
    const struct transport *transport;
    struct request *request;   // HTTP/1's; NULL when idle
    struct http2 *http2;       // HTTP/2's; NULL: HTTP/1
    uint8_t security;          // enum conn_security; plain until the handshake is done
    bool plain_on_tls;         // plain HTTP came where TLS is spoken: 497
    bool early;                // what is read now is early data
    bool records;              // what is received are records, for c->tls to open
    bool queued;               // on worker.handshakes, by idle_node
    bool broken;               // the client is gone or out of step: nothing is said at the end
    bool tls13;
    bool client_cert;          // the client has shown a certificate
    int32_t verify_error;      // X509_V_..., of that certificate
    uint32_t batch;            // bytes that the userspace transport seals before it sends
    char *cold;                // file bytes from the disk, to be sealed; of the worker's buffers
    struct tls *tls;           // NULL: plain, or the kernel has both directions
    struct tls_kernel_keys *kernel_keys; // for a KeyUpdate; NULL: it cannot be followed
    struct tls_kernel_flow flow; // with the kernel transport: counts what the kernel holds back
    struct tls_facts *facts;   // of a handshake whose struct tls is gone
    const struct server_conf *tls_server; // chosen by SNI; NULL: none
    struct op recv, poll;      // in flight: the connection stays
    struct timer timer;
    struct list node;          // worker.conns
    struct list idle_node;     // worker.idle when idle
    char *pending;             // bytes received beyond the current head; malloc; NULL when none
    uint32_t pending_off, pending_len, pending_cap;
    uint64_t number;           // *N
    uint64_t start_ms;         // monotonic
    uint64_t log_ticket;       // what awaits_log waits for
    uint64_t deadline_ms;      // what the step allows; UINT64_MAX: no limit
    uint64_t linger_end_ms;    // monotonic: lingering_time is over
    uint32_t linger_ms;        // lingering_timeout, of the last request's location as all of these
    uint32_t linger_time_ms;   // lingering_time
    uint32_t linger_send_ms;   // send_timeout: between two successes of the kernel's
    uint32_t linger_unsent;    // bytes it had left at the last look
    uint64_t taken;            // bytes the kernel took, of any kind: progress; c->flow counts by it
    uint64_t pacing;           // bytes per second the socket is paced at, 0 none
    struct way way;            // which interface its bytes leave by
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } peer;                    // valid when peer_known; sa_family 0: unix
    struct conn *next_free;    // in the worker's pool
};

// Takes a socket that was accepted at `listen`. It is closed when no connection can be made.
void conn_open(struct worker *w, const struct listen_conf *listen, int fd);
// Begins to close: the request, if any, ends here and is logged. Harmless when closing already.
// What kernel TLS holds back is lost.
void conn_close(struct conn *c);
// Asks an idle connection to go, or a busy one to go after its response.
void conn_drain(struct conn *c);
// The server that TLS named, else the address's default.
const struct server_conf *conn_server(const struct conn *c);
// The conditions under which nginx ends a connection after the present request.
bool conn_is_spent(const struct conn *c, const struct location_conf *l);
// Finds c->way anew: interfaces changed.
void conn_find_way(struct conn *c);
// Brackets of every callback: the connection may close in between, but is destroyed only by the
// outermost leave, and only when nothing is in flight. `c` is not to be touched after conn_leave().
void conn_enter(struct conn *c);
void conn_leave(struct conn *c);
// The error lines before it are written: the response that waited for them goes out.
void conn_log_settled(struct conn *c);
// Fills c->peer from the kernel once.
void conn_peer(struct conn *c);
const char *conn_security_name(enum conn_security security);
