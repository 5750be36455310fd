// SPDX-License-Identifier: Apache-2.0
//
// What the kernel does with packets between the interface's queues and the sockets: RPS, RFS and
// XPS (Documentation/networking/scaling.rst).
#include <stdio.h>
#include <string.h>

#include "server/doctor/doctor_priv.h"
#include "server/doctor/nic_priv.h"
#include "server/doctor/tree_priv.h"

#define QUEUES_MAX 1024
#define BACKLOG_LEAST 4096 // packets

static unsigned count_queues(const struct doctor *d, const char *nic, const char *direction)
{
    unsigned n = 0;

    while (n < QUEUES_MAX && tree_has(d, "/sys/class/net/%s/queues/%s-%u", nic, direction, n))
        n++;
    return n;
}

static bool rps_mask(const struct doctor *d, const struct nic *n, unsigned queue, cpu_set_t *cpus)
{
    return tree_cpu_mask(d, cpus, "/sys/class/net/%s/queues/rx-%u/rps_cpus", n->name, queue) == 0;
}

static void set_rps(struct doctor *d, struct finding *f, const struct nic *n, unsigned queue,
                    const cpu_set_t *cpus)
{
    char mask[CPUS_TEXT_MAX];

    cpus_format_mask(cpus, mask, sizeof(mask));
    change_file(d, f, mask, "/sys/class/net/%s/queues/rx-%u/rps_cpus", n->name, queue);
}

static bool can_have_more_queues(const struct doctor *d, const struct nic *n)
{
    struct nic_channels ch;

    return d->nics->channels(d->nics, n->name, &ch) == 0 &&
           (ch.combined_max > 1 || ch.rx_max > 1);
}

// Only packets that RPS passes on wait in this queue.
static void raise_backlog(struct doctor *d, struct finding *f)
{
    static const char path[] = "/proc/sys/net/core/netdev_max_backlog";
    int64_t backlog;

    if (tree_number(d, &backlog, "%s", path) == 0 && backlog < BACKLOG_LEAST)
        change_file(d, f, "4096", "%s", path);
}

// One queue for many CPUs: the kernel can do what the hardware does not.
static void judge_single_queue(struct doctor *d, const struct check *c, const struct nic *n)
{
    cpu_set_t cpus;
    struct finding *f;

    if (n->ncpus < 2 || can_have_more_queues(d, n) || !rps_mask(d, n, 0, &cpus) ||
        (CPU_COUNT(&cpus) > 1 && cpus_within(&cpus, &n->cpus)))
        return;
    f = finding_add(d, c, nic_where(d, n),
                    "one receive queue for %u CPUs, and RPS does not spread its packets", n->ncpus);
    set_rps(d, f, n, 0, &n->cpus);
    raise_backlog(d, f);
}

static void judge_queues(struct doctor *d, const struct check *c, const struct nic *n,
                         unsigned queues)
{
    struct finding *f = NULL;
    cpu_set_t cpus, none;

    CPU_ZERO(&none);
    for (unsigned q = 0; q < queues; q++) {
        if (!rps_mask(d, n, q, &cpus) || CPU_COUNT(&cpus) == 0)
            continue;
        if (f == NULL)
            f = finding_add(d, c, nic_where(d, n), "RPS moves the packets of hardware queues to "
                                                   "other CPUs");
        if (f != NULL && n->placed && !cpus_within(&cpus, &n->cpus))
            f->severity = SEVERITY_PROBLEM;
        set_rps(d, f, n, q, &none);
    }
}

static bool look_rps(struct doctor *d, const struct check *c)
{
    bool looked = false;

    for (struct nic n = {0}; nic_next(d, &n);) {
        unsigned queues = count_queues(d, n.name, "rx");

        looked |= queues > 0;
        if (queues == 1)
            judge_single_queue(d, c, &n);
        else
            judge_queues(d, c, &n, queues);
    }
    return looked;
}

static bool has_flow_table(const struct doctor *d)
{
    for (struct nic n = {0}; nic_next(d, &n);) {
        unsigned queues = count_queues(d, n.name, "rx");
        int64_t flows;

        for (unsigned q = 0; q < queues; q++) {
            if (tree_number(d, &flows, "/sys/class/net/%s/queues/rx-%u/rps_flow_cnt", n.name,
                            q) == 0 && flows > 0)
                return true;
        }
    }
    return false;
}

// On one node it does no harm.
static bool look_rfs(struct doctor *d, const struct check *c)
{
    static const char path[] = "/proc/sys/net/core/rps_sock_flow_entries";
    int64_t entries;

    if (d->cpu_nodes < 2 || tree_number(d, &entries, "%s", path) != 0)
        return false;
    if (entries > 0 && has_flow_table(d))
        change_file(d, finding_add(d, c, "network", "RFS is on (rps_sock_flow_entries is %lld)",
                                   (long long)entries),
                    "0", "%s", path);
    return true;
}

// The CPUs that should send by a queue: as many as it takes for each CPU to have one.
static void xps_wanted(const struct nic *n, unsigned queue, unsigned queues, cpu_set_t *cpus)
{
    CPU_ZERO(cpus);
    if (queues >= n->ncpus) {
        CPU_SET(cpus_nth(&n->cpus, queue), cpus);
        return;
    }
    for (unsigned i = queue; i < n->ncpus; i += queues)
        CPU_SET(cpus_nth(&n->cpus, i), cpus);
}

// Is there a queue for each CPU of the interface, and none that CPUs of several nodes share?
static bool xps_is_good(const struct doctor *d, const struct nic *n, unsigned queues)
{
    cpu_set_t served, cpus, own;

    CPU_ZERO(&served);
    for (unsigned q = 0; q < queues; q++) {
        if (tree_cpu_mask(d, &cpus, "/sys/class/net/%s/queues/tx-%u/xps_cpus", n->name, q) != 0)
            return true;
        CPU_AND(&own, &cpus, &n->cpus);
        if (CPU_COUNT(&own) > 0 && !CPU_EQUAL(&own, &cpus))
            return false;
        CPU_OR(&served, &served, &own);
    }
    return CPU_EQUAL(&served, &n->cpus);
}

static void set_xps(struct doctor *d, struct finding *f, const struct nic *n, unsigned queues)
{
    char mask[CPUS_TEXT_MAX];
    cpu_set_t cpus, now;

    for (unsigned q = 0; q < queues; q++) {
        xps_wanted(n, q, queues, &cpus);
        if (tree_cpu_mask(d, &now, "/sys/class/net/%s/queues/tx-%u/xps_cpus", n->name, q) != 0 ||
            CPU_EQUAL(&now, &cpus))
            continue;
        cpus_format_mask(&cpus, mask, sizeof(mask));
        change_file(d, f, mask, "/sys/class/net/%s/queues/tx-%u/xps_cpus", n->name, q);
    }
}

static bool look_xps(struct doctor *d, const struct check *c)
{
    bool looked = false;

    for (struct nic n = {0}; nic_next(d, &n);) {
        unsigned queues = count_queues(d, n.name, "tx");

        if (queues < 2 || n.ncpus < 2 || !tree_has(d, "/sys/class/net/%s/queues/tx-0/xps_cpus",
                                                   n.name))
            continue;
        looked = true;
        if (!xps_is_good(d, &n, queues))
            set_xps(d, finding_add(d, c, nic_where(d, &n),
                                   "the %u transmit queues are not dealt out to the %u CPUs%s",
                                   queues, n.ncpus, n.placed ? " of its node" : ""),
                    &n, queues);
    }
    return looked;
}

static bool look_backlog(struct doctor *d, const struct check *c)
{
    bool passes_on = false;
    int64_t backlog;
    cpu_set_t cpus;

    for (struct nic n = {0}; nic_next(d, &n);)
        passes_on |= rps_mask(d, &n, 0, &cpus) && CPU_COUNT(&cpus) > 0;
    if (!passes_on || tree_number(d, &backlog, "/proc/sys/net/core/netdev_max_backlog") != 0)
        return false;
    if (backlog < BACKLOG_LEAST)
        raise_backlog(d, finding_add(d, c, "network", "netdev_max_backlog is %lld while RPS is in "
                                                      "use", (long long)backlog));
    return true;
}

const struct check packet_checks[] = {
    {"rps", SEVERITY_ADVICE, PHASE_REST,
     "RPS passes packets on to other CPUs in software. Where the interface has queues enough it "
     "costs an interrupt between CPUs and hides where a packet arrived; where there is one queue "
     "it keeps one CPU from being the limit.",
     look_rps},
    {"rfs", SEVERITY_WARNING, PHASE_REST,
     "RFS takes packets to the CPU that last read from the socket, whichever node that is on: a "
     "worker then learns where it is itself and not where the connection arrived.",
     look_rfs},
    {"xps", SEVERITY_WARNING, PHASE_REST,
     "With a transmit queue of its own a CPU waits for no lock of another one's. Without, flows "
     "are spread over all queues by hash, and completions run on CPUs of other nodes.",
     look_xps},
    {"backlog", SEVERITY_ADVICE, PHASE_REST,
     "What RPS passes on waits in a queue of this length for each CPU, and is dropped when it is "
     "full.",
     look_backlog},
    {0},
};
