// SPDX-License-Identifier: Apache-2.0
//
// What a silo knows about places: where its own workers stand, which node a connection arrived at,
// and which silo that makes its home. One for each silo; its workers read it without locks, a
// thread of its own keeps it true while interfaces come and go.
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "lib/base/compiler.h"
#include "lib/net/napi.h"
#include "lib/topo/machine.h"
#include "server/locality/disk_map.h"
#include "server/locality/exchange.h"
#include "server/locality/home.h"
#include "server/locality/members.h"
#include "server/locality/napi_map.h"
#include "server/locality/sampler.h"
#include "server/locality/way.h"

struct egress;
struct log_sink;
struct main_conf;
struct plan;
struct replica_store;
struct stats;
struct worker_cpus;

struct locality {
    const struct plan *plan;   // of all silos; borrowed
    struct exchange *exchange; // borrowed
    unsigned silo;             // this one
    int node;                  // of its CPUs; -1: none in common
    bool several_nodes;        // the machine has
    bool one_place;            // for all workers: how a connection came says nothing
    bool by_egress;            // silo_by egress
    _Atomic bool marks;        // egress_mark on, and not refused
    struct machine machine;    // the thread's alone
    struct home_map homes;
    struct napi_map napi;
    struct members members;
    struct disk_map disks;
    struct placement *placement; // NULL: nobody asks where pages lie
    struct sampler sampler;
    struct replica_store *replicas; // NULL: none
    bool replicas_anywhere; // also of what lies on this node
    unsigned copies;        // the thread's alone
    struct napi_lookup lookup; // the thread's alone; fd -1: the kernel cannot be asked
    struct egress *_Atomic egress; // NULL: not asked for
    struct egress *retired;    // the one before, which a worker may still be reading
    uint64_t egress_ms;        // when `egress` was made
    bool egress_due;           // interfaces have changed since
    void (*egress_changed)(void *ctx); // called by the thread
    void *ctx;
    int wake_fd, link_fd;      // eventfd; link_watch.h, -1 without
    struct log_sink *sinks;    // of the thread
    pthread_t thread;
};

// What the kernel knows about how a connection came.
struct arrival {
    uint32_t napi_id; // 0: unknown
    int cpu;          // -1: unknown
    int node;         // of the interface, or else of the CPU; -1: unknown
    int home;         // the node to serve it on; -1: unknown
};

struct locality_setup {
    const struct main_conf *conf;
    const struct plan *plan;
    const struct worker_cpus *cpus;
    struct exchange *exchange;
    unsigned silo;
    struct log_sink *sinks; // of the thread
    // Called by the thread when ways may have changed: workers ask anew for their connections.
    void (*egress_changed)(void *ctx);
    void *ctx;
};

// Starts the thread; NULL in *out when connections have nowhere else to go (exchange->board is
// NULL). 0 or -errno.
must_check int locality_start(const struct locality_setup *setup, struct locality **out);
void locality_stop(struct locality *l); // NULL is harmless

// Any thread of the silo.
//
// Where the connection arrived or, with silo_by egress, where its bytes will leave.
void locality_arrival(struct locality *l, int fd, struct arrival *a);
// The worker (an index over all silos) that a connection belongs to; `self` when nothing speaks for
// another one.
unsigned locality_worker(struct locality *l, const struct arrival *a, unsigned self);
// The way of a connection that is served here; with egress_mark on, its socket is given the mark
// that keeps its bytes on this node. Nothing is asked, and nothing known, on a machine with one
// node.
void locality_way(struct locality *l, int fd, struct way *way);
// Some of that part of a file was sent: where it lies is to be found out.
void locality_sample(struct locality *l, const struct placement_key *key, int fd);
// Writes the counters of replicas to those of one worker.
void locality_publish(const struct locality *l, struct stats *stats);
// The node of the disks that an open file of the device `dev` lies on, or -1.
int locality_disk_node(struct locality *l, dev_t dev, int fd);
// The silo of a worker.
unsigned locality_silo_of(const struct locality *l, unsigned worker);
