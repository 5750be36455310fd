// SPDX-License-Identifier: Apache-2.0
#include "server/locality/locality.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/file/replica.h"
#include "lib/net/sockopt.h"
#include "lib/topo/link_watch.h"
#include "server/bounds.h"
#include "server/config/config.h"
#include "server/locality/egress.h"
#include "server/process/plan.h"

#define COPIES_IN_A_ROW 64
#define WAKE 1
#define STOP (1ull << 32) // an eventfd adds up: from here on somebody wants the thread to end

static int node_of_link(const struct locality *l, int index)
{
    const struct machine_link *link = machine_link(&l->machine, index);

    return link == NULL ? NAPI_LEARN : link->node >= 0 ? link->node : NAPI_UNKNOWN;
}

static int ask_kernel(uint32_t id, void *ctx)
{
    struct locality *l = ctx;
    int index = l->lookup.fd >= 0 ? napi_lookup_link(&l->lookup, id) : -EOPNOTSUPP;

    return index > 0 ? node_of_link(l, index) : NAPI_LEARN;
}

static void note_queue(uint32_t id, int index, void *ctx)
{
    struct locality *l = ctx;

    napi_map_set(&l->napi, id, node_of_link(l, index));
}

// All at once, so that not even the first connection of a queue is guessed at. Where everything is
// in one place nobody asks.
static void note_queues(struct locality *l)
{
    if (l->one_place || l->lookup.fd < 0)
        return;
    int rc = napi_lookup_all(&l->lookup, note_queue, l);
    if (rc != 0)
        log_notice(-rc, "queues of interfaces are looked up one by one");
}

// Workers read a snapshot for less than a microsecond; the one before the last is gone for longer
// than EGRESS_GRACE_MS when it is freed.
static void renew_egress(struct locality *l)
{
    struct egress *fresh;
    int rc = egress_make(&l->machine, &fresh);

    l->egress_ms = clock_mono_ms();
    l->egress_due = false;
    if (rc != 0) {
        log_alert(-rc, "reading routes and neighbours failed");
        return;
    }
    egress_free(l->retired);
    l->retired = atomic_exchange(&l->egress, fresh);
    if (l->retired != NULL)
        l->egress_changed(l->ctx);
}

static void links_changed(struct locality *l)
{
    int rc = machine_reload_links(&l->machine);

    if (rc != 0)
        log_alert(-rc, "reading the network interfaces failed");
    members_set(&l->members, &l->machine);
    napi_map_forget(&l->napi);
    note_queues(l);
    l->egress_due = l->egress != NULL;
}

// Milliseconds until what is foretold about egress is looked at again, -1: only when interfaces
// change.
static int egress_pause(struct locality *l)
{
    struct egress *e = l->egress;
    uint64_t age;

    if (e == NULL)
        return -1;
    // Routes and neighbours change without a word.
    age = clock_mono_ms() - l->egress_ms;
    if (age >= EGRESS_TRUST_MS || (age >= EGRESS_GRACE_MS && (l->egress_due || egress_stale(e))))
        renew_egress(l);
    else if (l->egress_due)
        return (int)(EGRESS_GRACE_MS - age);
    return EGRESS_LOOK_MS;
}

// What workers and the kernel asked for.
static void turn(struct locality *l, bool links)
{
    if (links && link_watch_changed(l->link_fd))
        links_changed(l);
    napi_map_answer(&l->napi, ask_kernel, l);
    disk_map_answer(&l->disks, &l->machine);
}

// A part of the work that waits; milliseconds until the next.
static int work(struct locality *l)
{
    // Samples have their turn also while copies are always waiting.
    if (l->replicas != NULL && l->copies++ % COPIES_IN_A_ROW != 0 && replica_work(l->replicas))
        return REPLICA_PAUSE_MS;
    if (l->placement != NULL &&
        sampler_turn(&l->sampler, l->placement, l->node, clock_mono_ms() / 1000))
        return SAMPLER_PAUSE_MS;
    return egress_pause(l);
}

static void *run(void *ctx)
{
    struct locality *l = ctx;
    struct pollfd fds[] = {
        {l->wake_fd, POLLIN, 0}, {l->link_fd, POLLIN, 0},
        {l->replicas != NULL ? replica_orders_fd(l->replicas) : -1, POLLIN, 0}};
    eventfd_t value = 0;

    pthread_setname_np(pthread_self(), "locality");
    log_use(l->sinks);
    while (value < STOP) {
        if (poll(fds, array_len(fds), work(l)) < 0)
            continue;
        value = 0;
        if (fds[0].revents != 0)
            eventfd_read(l->wake_fd, &value);
        turn(l, fds[1].revents != 0);
    }
    return NULL;
}

static void locality_free(struct locality *l)
{
    if (l->lookup.fd >= 0)
        napi_lookup_close(&l->lookup);
    if (l->link_fd >= 0)
        close(l->link_fd);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    replica_store_free(l->replicas);
    sampler_destroy(&l->sampler);
    free(l->placement);
    egress_free(l->egress);
    egress_free(l->retired);
    home_map_free(&l->homes);
    machine_free(&l->machine);
    free(l);
}

// What the thread needs and can do without.
static void open_watches(struct locality *l)
{
    if (napi_lookup_open(&l->lookup) != 0)
        l->lookup.fd = -1;
    note_queues(l);
    l->link_fd = link_watch_open();
    if (l->link_fd < 0)
        log_alert(-l->link_fd, "changes of network interfaces cannot be followed");
    if (l->several_nodes || l->by_egress || l->marks)
        renew_egress(l);
}

// Without them content is sent from where it lies.
static void open_replicas(struct locality *l, const struct main_conf *conf)
{
    struct replica_plan plan = {.node = l->node, .bytes = (uint64_t)conf->replica_memory,
                                .anywhere = l->replicas_anywhere};

    if (conf->replica_memory == 0 || l->placement == NULL)
        return;
    int rc = replica_store_make(&l->replicas, &plan);
    if (rc != 0)
        log_alert(-rc, "the memory for replicas could not be set up");
}

static int locality_init(struct locality *l, const struct locality_setup *setup)
{
    int rc = machine_load(&l->machine, NULL);

    if (rc == 0)
        rc = home_map_make(&l->homes, l->plan, setup->cpus, &l->machine);
    if (rc != 0)
        return rc;
    l->node = l->homes.silo_node[l->silo];
    l->several_nodes = l->machine.nnodes > 1;
    l->one_place =
        l->plan->count == 1 && !l->several_nodes && !home_groups_differ(&l->homes);
    members_set(&l->members, &l->machine);
    if (l->several_nodes || l->replicas_anywhere) {
        l->placement = calloc(1, sizeof(*l->placement));
        if (l->placement == NULL)
            return -ENOMEM;
    }
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->wake_fd < 0)
        return -errno;
    open_watches(l);
    open_replicas(l, setup->conf);
    return 0;
}

int locality_start(const struct locality_setup *setup, struct locality **out)
{
    struct locality *l;
    int rc;

    *out = NULL;
    if (setup->exchange->board == NULL)
        return 0;
    l = calloc(1, sizeof(*l));
    if (l == NULL)
        return -ENOMEM;
    l->plan = setup->plan;
    l->exchange = setup->exchange;
    l->silo = setup->silo;
    l->sinks = setup->sinks;
    l->egress_changed = setup->egress_changed;
    l->ctx = setup->ctx;
    l->by_egress = setup->conf->silo_by == SILO_BY_EGRESS;
    l->marks = setup->conf->egress_mark != 0;
    l->replicas_anywhere = setup->conf->replica_memory != 0 && setup->conf->replica_anywhere;
    l->lookup.fd = l->wake_fd = l->link_fd = -1;
    sampler_init(&l->sampler);
    rc = locality_init(l, setup);
    if (rc == 0)
        rc = -pthread_create(&l->thread, NULL, run, l);
    if (rc != 0)
        locality_free(l);
    else
        *out = l;
    return rc;
}

void locality_stop(struct locality *l)
{
    if (l == NULL)
        return;
    check(eventfd_write(l->wake_fd, STOP) == 0);
    pthread_join(l->thread, NULL);
    locality_free(l);
}

static void wake(struct locality *l)
{
    (void)eventfd_write(l->wake_fd, WAKE);
}

static bool both_ends(int fd, struct net_address *local, struct net_address *remote)
{
    return net_local_address(fd, local) == 0 && net_peer_address(fd, remote) == 0;
}

void locality_arrival(struct locality *l, int fd, struct arrival *a)
{
    struct net_address local, remote;
    struct egress_answer answer;
    struct egress *e = l->egress;
    bool ask = false;

    *a = (struct arrival){.cpu = -1, .node = l->node, .home = l->node};
    // Asking the kernel would be most of what locality costs a connection here.
    if (l->one_place)
        return;
    if (net_incoming_cpu(fd, &a->cpu) != 0)
        a->cpu = -1;
    // A Unix socket has neither.
    if (net_incoming_napi(fd, &a->napi_id) != 0)
        a->napi_id = 0;
    a->node = napi_map_node(&l->napi, a->napi_id, home_cpu_node(&l->homes, a->cpu), &ask);
    a->home = a->node;
    if (ask)
        wake(l);
    if (l->by_egress && e != NULL && both_ends(fd, &local, &remote) &&
        egress_predict(e, &local, &remote, &answer) && answer.node >= 0)
        a->home = answer.node;
}

unsigned locality_worker(struct locality *l, const struct arrival *a, unsigned self)
{
    int home = home_silo(&l->homes, a->home, a->cpu, a->napi_id);
    const struct plan_silo *s;
    int worker;

    if (home == HOME_ANYWHERE)
        home = (int)l->silo;
    s = &l->plan->silos[home];
    struct board_choice among = {.first = s->first, .count = s->workers,
                                 .groups = l->homes.worker_group,
                                 .group = home_group(&l->homes, a->cpu),
                                 .self = home == (int)l->silo ? (int)self : -1};
    // First near the cache that the packets are in, then anywhere in the silo.
    worker = among.group != HOME_NO_GROUP ? board_least(l->exchange->board, &among) : -1;
    among.groups = NULL;
    if (worker < 0)
        worker = board_least(l->exchange->board, &among);
    return worker >= 0 ? (unsigned)worker : self;
}

unsigned locality_silo_of(const struct locality *l, unsigned worker)
{
    unsigned silo = 0;

    while (silo + 1 < l->plan->count && worker >= l->plan->silos[silo + 1].first)
        silo++;
    return silo;
}

static bool set_mark(struct locality *l, int fd, uint32_t mark)
{
    int rc = net_set_mark(fd, mark);

    // One line: what is not allowed once never will be.
    if (rc == -EPERM && atomic_exchange(&l->marks, false))
        log_alert(-rc, "setsockopt(SO_MARK) failed, connections are not marked");
    return rc == 0;
}

void locality_way(struct locality *l, int fd, struct way *way)
{
    struct net_address local, remote;
    struct egress_answer answer;
    struct egress *e = l->egress;
    bool known;
    uint32_t mark = 0;

    *way = WAY_UNKNOWN;
    if (e == NULL || !both_ends(fd, &local, &remote))
        return;
    if (atomic_load_explicit(&l->marks, memory_order_relaxed)) {
        mark = l->node >= 0 ? egress_mark(e, &local, &remote, l->node) : 0;
        if (!set_mark(l, fd, mark))
            mark = 0;
    }
    known = mark != 0 ? egress_marked(e, mark, &answer)
                      : egress_predict(e, &local, &remote, &answer);
    if (!known)
        return;
    way->node = (int16_t)answer.node;
    way->member = (int16_t)members_number(&l->members, answer.link);
}

void locality_sample(struct locality *l, const struct placement_key *key, int fd)
{
    if (sampler_order(&l->sampler, key, fd))
        wake(l);
}

int locality_disk_node(struct locality *l, dev_t dev, int fd)
{
    bool ask;
    int node = disk_map_node(&l->disks, dev, fd, &ask);

    if (ask)
        wake(l);
    return node;
}

void locality_publish(const struct locality *l, struct stats *stats)
{
    struct replica_counts n;

    if (l->replicas == NULL)
        return;
    n = replica_counts(l->replicas);
    atomic_store_explicit(&stats->replica_admitted, (int64_t)n.admitted, memory_order_relaxed);
    atomic_store_explicit(&stats->replica_evicted, (int64_t)n.evicted, memory_order_relaxed);
    atomic_store_explicit(&stats->replica_stale, (int64_t)n.stale, memory_order_relaxed);
    atomic_store_explicit(&stats->replica_bytes, (int64_t)n.held, memory_order_relaxed);
}
