// SPDX-License-Identifier: Apache-2.0
//
// Counters in memory shared by the master and all silos. Each worker writes its own cache lines;
// readers add up, by silo or over all. Monotonic ones of a worker that ended stay counted, for its
// silo; gauges of a silo that died are taken back by the master.
#pragma once

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/compiler.h"

#define STATS_NODES 17   // nodes 0 to 15, and the last for all others and for unknown ones
#define STATS_MEMBERS 16 // members of bonds, or interfaces without one
#define STATS_SILOS 128  // counted apart; workers of silos beyond are in the total alone
#define STATS_WORKERS 512 // slots; workers of all generations alive at one time

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
    COUNTER(steered, "connections accepted by the silo where they belong") \
    COUNTER(handed_over, "connections given to another silo")             \
    COUNTER(handed_within, "connections given to another worker of the silo") \
    COUNTER(taken_over, "connections received from another silo")         \
    COUNTER(handoff_refused, "connections served where they were because nobody took them") \
    COUNTER(bytes_local, "body bytes from pages on the worker's own node") \
    COUNTER(bytes_remote, "body bytes from pages on another node")        \
    COUNTER(bytes_replica, "body bytes from replicas")                    \
    COUNTER(bytes_placed, "body bytes whose crossings between nodes were predicted") \
    COUNTER(bytes_unplaced, "body bytes whose path over the nodes is not known") \
    COUNTER(cross_disk, "bytes that crossed nodes from disk to memory")   \
    COUNTER(cross_read, "bytes that crossed nodes from memory to CPU")    \
    COUNTER(cross_write, "bytes that crossed nodes from CPU to memory")   \
    COUNTER(cross_nic, "bytes that crossed nodes from memory to network interface") \
    COUNTER(replica_admitted, "files and parts that were given a replica") \
    COUNTER(replica_evicted, "replicas that made room for others")        \
    COUNTER(replica_stale, "replicas dropped because their file had changed") \
    GAUGE(replica_bytes, "bytes held in replicas")                        \
    GAUGE(active, "open connections")                                     \
    GAUGE(reading, "connections reading a request head")                  \
    GAUGE(writing, "connections with a request being answered")           \
    GAUGE(waiting, "idle keep-alive connections")

// name, how many, help: counters by node or by member.
#define STATS_BY(ARRAY)                                                                     \
    ARRAY(arrived, STATS_NODES, "connections by the node where their packets arrived")      \
    ARRAY(egress_node, STATS_NODES, "body bytes by the node of the interface they leave by") \
    ARRAY(egress_member, STATS_MEMBERS, "body bytes by the interface they leave by")

struct stats {
#define FIELD(name, help) _Atomic int64_t name;
    STATS(FIELD, FIELD)
#undef FIELD
#define FIELD(name, count, help) _Atomic int64_t name[count];
    STATS_BY(FIELD)
#undef FIELD
} __attribute__((aligned(64)));

// Made by the master before silos are started; inherited. Half a megabyte of addresses, of which
// only what is used is memory. 0 or -errno.
must_check int stats_init(void);
// Closes the descriptor by which other processes find the counters; a silo does, since the master's
// is the one that is looked for. The counters themselves stay.
void stats_leave(void);
// A slot for a worker that will be started; NULL when all are in use: the caller then takes
// stats_shared().
struct stats *stats_claim(void);
// Says which silo it counts for, before its worker starts. Without that it is in the total alone.
// Master only, as all that changes something below.
void stats_place(struct stats *s, unsigned silo);
// The slot of workers that got none of their own; its counts are inexact. Placing or releasing it
// does nothing.
struct stats *stats_shared(void);
// Folds a slot of an ended worker into its silo's (gauges are dropped) and frees it.
void stats_release(struct stats *s);

// The sum of all workers, ended ones included.
void stats_sum(struct stats *out);
// The same of one silo; zeroes for one that never was.
void stats_silo(unsigned silo, struct stats *out);
// How many silos there are or were since the start: the highest number and one.
unsigned stats_silos(void);

// What the numbers of silos and members stand for. Said once each, and again when it changes; a
// silo or member beyond the table is left out, a text that is too long is cut. Node -1: none.
void stats_describe_silo(unsigned silo, int node, const char *cpus);
void stats_describe_member(unsigned member, const char *name, int node);

enum stats_silo_state {
    STATS_SILO_STARTING, // also one of which nothing was said yet
    STATS_SILO_UP,
    STATS_SILO_DRAINING,
    STATS_SILO_PAUSING, // died, and is to be started again
    STATS_SILO_GONE,    // not of this configuration; its counters stay
};

// `restarts`: how often it was started in place of a dead one.
void stats_silo_state(unsigned silo, enum stats_silo_state state, pid_t pid, unsigned restarts);

// The index into an array by node; any int is allowed.
static inline unsigned stats_node(int node)
{
    return node >= 0 && node < STATS_NODES - 1 ? (unsigned)node : STATS_NODES - 1;
}

// Single writer: a plain add without a locked instruction.
static inline void stats_add(_Atomic int64_t *field, int64_t n)
{
    atomic_store_explicit(field, atomic_load_explicit(field, memory_order_relaxed) + n,
                          memory_order_relaxed);
}
