// SPDX-License-Identifier: Apache-2.0
#include "server/process/steering_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/net/sockopt.h"
#include "lib/topo/machine.h"
#include "server/process/plan.h"
#include "server/process/worker_cpus.h"

static const struct steering_slot anywhere = {STEERING_ANYWHERE, 0};

// What is being made, and from what.
struct maker {
    const struct plan *plan;
    const struct worker_cpus *workers;
    const struct machine *machine;
    enum steering_aim aim;
    int *silo_nodes; // what silo_node() says
    struct steering_slot *by_cpu, *by_node;
    unsigned ncpus, nnodes;
    bool aimed; // at least one slot is less than all workers
};

bool steering_reaches_workers(const struct machine *machine, const struct plan_silo *silo)
{
    unsigned queues = 0;

    for (unsigned i = 0; i < machine->nlinks; i++) {
        const struct machine_link *l = &machine->links[i];

        if (l->kind == LINK_PHYSICAL && l->up &&
            (l->node == silo->node || l->node == MACHINE_NODE_UNKNOWN || silo->node < 0))
            queues = max_of(queues, l->rx_queues);
    }
    return queues >= silo->workers;
}

static struct steering_slot silo_slot(const struct plan_silo *s)
{
    return (struct steering_slot){(uint16_t)s->first, (uint16_t)s->workers};
}

// The node that all CPUs of the silo are on, if it is not bound to one.
static int silo_node(const struct maker *m, const struct plan_silo *s)
{
    int node = MACHINE_NODE_UNKNOWN;

    if (s->node >= 0)
        return s->node;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &s->cpus))
            continue;
        int of_cpu = machine_cpu_node(m->machine, cpu);
        if (node != MACHINE_NODE_UNKNOWN && of_cpu != node)
            return MACHINE_NODE_UNKNOWN;
        node = of_cpu;
    }
    return node;
}

// The `n`-th of the silos of a node, counting from the start again; NULL: it has none.
static const struct plan_silo *silo_on(const struct maker *m, int node, unsigned n)
{
    unsigned count = 0;

    for (unsigned i = 0; i < m->plan->count; i++)
        count += m->silo_nodes[i] == node;
    if (count == 0)
        return NULL;
    n %= count;
    for (unsigned i = 0;; i++) {
        if (m->silo_nodes[i] == node && n-- == 0)
            return &m->plan->silos[i];
    }
}

static bool aims_at_workers(const struct maker *m, const struct plan_silo *s)
{
    if (m->aim == STEERING_AT_BEST)
        return steering_reaches_workers(m->machine, s);
    return m->aim == STEERING_AT_WORKERS;
}

// A CPU with one worker bound to it is that worker's; one with several, or none, is the silo's.
static void set_silo(struct maker *m, const struct plan_silo *s)
{
    uint16_t bound[CPU_SETSIZE] = {0};

    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &s->cpus))
            m->by_cpu[cpu] = silo_slot(s);
    }
    if (!aims_at_workers(m, s))
        return;
    for (unsigned w = s->first; w < s->first + s->workers; w++) {
        int cpu = worker_cpus_only(m->workers, w);

        if (cpu >= 0 && CPU_ISSET(cpu, &s->cpus))
            m->by_cpu[cpu] = ++bound[cpu] == 1 ? (struct steering_slot){(uint16_t)w, 1}
                                               : silo_slot(s);
    }
}

// The CPUs of no silo take turns, so that the first silo of a node does not get all of them.
static void set_strays(struct maker *m, const struct machine_node *node)
{
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        const struct plan_silo *s;

        if (!CPU_ISSET(cpu, &node->cpus) || m->by_cpu[cpu].first != STEERING_ANYWHERE)
            continue;
        s = silo_on(m, node->id, (unsigned)cpu);
        if (s != NULL)
            m->by_cpu[cpu] = silo_slot(s);
    }
}

// For CPUs that came after the plan was made.
static void set_nodes(struct maker *m)
{
    for (unsigned node = 0; node < m->nnodes; node++) {
        const struct plan_silo *s = silo_on(m, (int)node, 0);

        m->by_node[node] = s != NULL ? silo_slot(s) : anywhere;
    }
}

static bool is_choice(const struct maker *m, struct steering_slot slot)
{
    return slot.first != STEERING_ANYWHERE && slot.count < m->plan->workers;
}

static void measure(struct maker *m)
{
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (m->by_cpu[cpu].first != STEERING_ANYWHERE)
            m->ncpus = cpu + 1;
        m->aimed = m->aimed || is_choice(m, m->by_cpu[cpu]);
    }
}

static int make(struct maker *m)
{
    for (unsigned i = 0; i < m->machine->nnodes; i++)
        m->nnodes = max_of(m->nnodes, (unsigned)m->machine->nodes[i].id + 1);
    m->by_cpu = calloc(CPU_SETSIZE, sizeof(*m->by_cpu));
    m->by_node = calloc(max_of(m->nnodes, 1u), sizeof(*m->by_node));
    m->silo_nodes = calloc(max_of(m->plan->count, 1u), sizeof(*m->silo_nodes));
    if (m->by_cpu == NULL || m->by_node == NULL || m->silo_nodes == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < m->plan->count; i++)
        m->silo_nodes[i] = silo_node(m, &m->plan->silos[i]);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
        m->by_cpu[cpu] = anywhere;
    for (unsigned i = 0; i < m->plan->count; i++)
        set_silo(m, &m->plan->silos[i]);
    for (unsigned i = 0; i < m->machine->nnodes; i++)
        set_strays(m, &m->machine->nodes[i]);
    set_nodes(m);
    measure(m);
    return 0;
}

int steering_plan_make(const struct plan *plan, const struct worker_cpus *workers,
                       const struct machine *machine, enum steering_aim aim,
                       struct steering_plan *out)
{
    struct maker m = {.plan = plan, .workers = workers, .machine = machine, .aim = aim};
    int rc = 0;

    memset(out, 0, sizeof(*out));
    // More sockets than a slot can count; no machine is like that.
    if (plan->workers >= STEERING_ANYWHERE)
        return 0;
    rc = make(&m);
    if (rc == 0 && m.aimed) {
        *out = (struct steering_plan){m.by_cpu, m.ncpus, m.by_node, m.nnodes};
    } else {
        free(m.by_cpu);
        free(m.by_node);
    }
    free(m.silo_nodes);
    return rc;
}

void steering_plan_free(struct steering_plan *p)
{
    free((void *)p->by_cpu);
    free((void *)p->by_node);
    memset(p, 0, sizeof(*p));
}

static void warn(int rc, int fd)
{
    char text[NET_ADDRESS_TEXT_MAX] = "?";
    struct net_address address;

    if (net_local_address(fd, &address) == 0)
        net_address_format(&address, true, text);
    log_warn(-rc, "connections to %s cannot be steered", text);
}

enum steering_kind steering_plan_apply(const struct steering_plan *p, const int *fds, unsigned nfds)
{
    enum steering_kind kind = STEERING_OFF;
    int rc;

    if (nfds == 0)
        return kind;
    rc = steering_plan_empty(p) ? 0 : steering_attach(fds, nfds, p, &kind);
    if (rc != 0)
        warn(rc, fds[0]);
    // A plan of before would send connections to workers that may not be there any more. A socket
    // alone may be in no group (-EINVAL), and then there is nothing to take off.
    if (kind == STEERING_OFF && steering_detach(fds[0]) != 0)
        log_write(LOG_LEVEL_DEBUG, 0, 0, "nothing steered before");
    return kind;
}
