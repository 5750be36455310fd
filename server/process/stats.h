// SPDX-License-Identifier: Apache-2.0
//
// Counters in memory shared by the master and all silos. Each worker writes its own cache lines;
// readers add up. Monotonic ones of a worker that ended stay counted; gauges of a silo that died
// are taken back by the master.
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/compiler.h"

// name, kind, help: rows, so that a status page or a metrics endpoint can list them.
#define STATS(COUNTER, GAUGE)                                             \
    COUNTER(accepted, "connections accepted")                             \
    COUNTER(handled, "connections taken on (not refused for a limit)")    \
    COUNTER(requests, "requests")                                         \
    COUNTER(bytes_sent, "bytes sent to clients, headers included")        \
    COUNTER(log_lines_dropped, "log lines dropped because the disk did not take them") \
    COUNTER(accept_pauses, "times accepting paused for want of descriptors") \
    COUNTER(cold_reads, "file parts brought into the page cache before sending") \
    COUNTER(tls_handshakes, "TLS handshakes finished")                    \
    COUNTER(tls_resumed, "TLS handshakes that resumed a session")         \
    COUNTER(tls_failed, "TLS handshakes that failed or timed out")        \
    COUNTER(tls_kernel, "TLS connections with both directions in the kernel") \
    COUNTER(tls_kernel_send, "TLS connections with sending in the kernel") \
    COUNTER(tls_userspace, "TLS connections with records made by OpenSSL") \
    GAUGE(active, "open connections")                                     \
    GAUGE(reading, "connections reading a request head")                  \
    GAUGE(writing, "connections with a request being answered")           \
    GAUGE(waiting, "idle keep-alive connections")

struct stats {
#define FIELD(name, help) _Atomic int64_t name;
    STATS(FIELD, FIELD)
#undef FIELD
} __attribute__((aligned(64)));

#define STATS_WORKERS 512 // slots; workers of all generations alive at one time

// Made by the master before silos are started; inherited. 0 or -errno.
must_check int stats_init(void);
// A slot for a worker that will be started; NULL when all are in use: the caller then takes
// stats_shared().
struct stats *stats_claim(void);
// The slot of workers that got none of their own; its counts are inexact. Releasing it does
// nothing.
struct stats *stats_shared(void);
// Folds a slot of an ended worker into the total (gauges are dropped) and frees it. Master only.
void stats_release(struct stats *s);
// The sum of all workers, ended ones included.
void stats_sum(struct stats *out);

// Single writer: a plain add without a locked instruction.
static inline void stats_add(_Atomic int64_t *field, int64_t n)
{
    atomic_store_explicit(field, atomic_load_explicit(field, memory_order_relaxed) + n,
                          memory_order_relaxed);
}
