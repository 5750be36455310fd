// SPDX-License-Identifier: Apache-2.0
//
// What there is to say about silos on a machine, in lines.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/topo/topo.h"
#include "server/process/plan.h"
#include "server/report/topology_priv.h"

struct notes {
    const struct machine *m;
    const struct topo *t;
    const struct plan *p;
    topology_line *line;
    void *context;
};

#define CPUS_TEXT(name, set)                \
    char name[TOPO_CPUS_TEXT];              \
    topo_format_cpus(&(set), name, sizeof(name))

printf_like(2, 3) static void say(const struct notes *n, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    n->line(n->context, text);
}

struct nics {
    unsigned all, up;
};

// The physical interfaces on a node, or all of them.
static struct nics count_nics(const struct machine *m, bool all, int node)
{
    struct nics n = {0, 0};

    for (unsigned i = 0; i < m->nlinks; i++) {
        const struct machine_link *l = &m->links[i];

        if (l->kind == LINK_PHYSICAL && (all ? l->node >= 0 : l->node == node)) {
            n.all++;
            n.up += l->up;
        }
    }
    return n;
}

// ", NICs eth0 eth1 (down)"; "" when no interface of the machine says where it is.
static void list_nics(const struct machine *m, int node, char *out, size_t size)
{
    struct nics n = count_nics(m, false, node);
    size_t used;

    out[0] = '\0';
    if (node < 0 || count_nics(m, true, 0).all == 0)
        return;
    used = (size_t)snprintf(out, size, n.all == 0 ? ", no NIC" : n.all == 1 ? ", NIC" : ", NICs");
    for (unsigned i = 0; i < m->nlinks && used < size; i++) {
        const struct machine_link *l = &m->links[i];

        if (l->kind == LINK_PHYSICAL && l->node == node)
            used += (size_t)snprintf(out + used, size - used, " %s%s", l->name,
                                     l->up ? "" : " (down)");
    }
}

static void silo_line(const struct notes *n, unsigned i)
{
    const struct plan_silo *s = &n->p->silos[i];
    char node[32] = "", nics[512];
    CPUS_TEXT(cpus, s->cpus);

    if (s->node >= 0)
        snprintf(node, sizeof(node), "node %d, ", s->node);
    list_nics(n->m, s->node, nics, sizeof(nics));
    say(n, "silo %u: %sCPUs %s, %u worker%s%s", i, node, cpus, s->workers,
        s->workers == 1 ? "" : "s", nics);
}

static const struct machine_node *find_node(const struct machine *m, int id)
{
    for (unsigned i = 0; i < m->nnodes; i++) {
        if (m->nodes[i].id == id)
            return &m->nodes[i];
    }
    return NULL;
}

// Only explicit lines make such silos.
static void silo_oddities(const struct notes *n, unsigned i)
{
    const struct plan_silo *s = &n->p->silos[i];
    const struct machine_node *node = find_node(n->m, s->node);
    cpu_set_t local, away;

    if (node == NULL)
        return;
    CPU_AND(&local, &s->cpus, &node->cpus);
    CPU_XOR(&away, &s->cpus, &local);
    if (CPU_COUNT(&away) == 0)
        return;
    CPUS_TEXT(cpus, away);
    say(n, "silo %u: CPUs %s are not on its node %d", i, cpus, s->node);
}

// Is a silo bound to the node?
static bool has_silo(const struct plan *p, int node)
{
    for (unsigned i = 0; i < p->count; i++) {
        if (p->silos[i].node == node)
            return true;
    }
    return false;
}

// Do silos that are bound to no node have CPUs there? Those want nothing of the node.
static bool has_loose_silo(const struct plan *p, const struct machine_node *node)
{
    for (unsigned i = 0; i < p->count; i++) {
        cpu_set_t both;

        CPU_AND(&both, &p->silos[i].cpus, &node->cpus);
        if (p->silos[i].node < 0 && CPU_COUNT(&both) > 0)
            return true;
    }
    return false;
}

// Returns true when the node's CPUs may be used by silos.
static bool cpu_oddities(const struct notes *n, const struct machine_node *node)
{
    cpu_set_t allowed;

    if (CPU_COUNT(&node->cpus) == 0) {
        say(n, "node %d has no CPUs: no silo there", node->id);
        return false;
    }
    CPU_AND(&allowed, &node->cpus, &n->t->allowed);
    if (CPU_COUNT(&allowed) == 0) {
        say(n, "node %d is outside the cpuset: no silo there", node->id);
        return false;
    }
    CPUS_TEXT(some, allowed);
    CPUS_TEXT(all, node->cpus);
    if (CPU_COUNT(&allowed) < CPU_COUNT(&node->cpus))
        say(n, "node %d: of its CPUs %s only %s are in the cpuset", node->id, all, some);
    return true;
}

static void unused_cpus(const struct notes *n, const struct machine_node *node)
{
    cpu_set_t left;

    CPU_AND(&left, &node->cpus, &n->t->allowed);
    for (unsigned i = 0; i < n->p->count; i++) {
        cpu_set_t both;

        CPU_AND(&both, &left, &n->p->silos[i].cpus);
        CPU_XOR(&left, &left, &both);
    }
    if (CPU_COUNT(&left) == 0)
        return;
    CPUS_TEXT(cpus, left);
    say(n, "node %d: no silo uses its CPUs %s", node->id, cpus);
}

// Where a silo is: what it lacks. Where none is: what would have to be served from elsewhere.
static void device_oddities(const struct notes *n, const struct machine_node *node)
{
    struct nics here = count_nics(n->m, false, node->id), all = count_nics(n->m, true, 0);

    if (!has_silo(n->p, node->id)) {
        if (here.all > 0 && !has_loose_silo(n->p, node))
            say(n, "node %d has NICs but no silo: what they carry crosses to another node",
                node->id);
        return;
    }
    if (node->memory == 0)
        say(n, "node %d has no memory: its silo gets it from other nodes", node->id);
    if (all.all > here.all && here.all == 0)
        say(n,
            "node %d has CPUs but no NIC: what its silo serves crosses to another node; \"silo\" "
            "lines can give its CPUs to a node that has one",
            node->id);
    else if (all.up > here.up && here.up == 0)
        say(n, "node %d has no NIC that is up: what its silo serves crosses to another node",
            node->id);
}

static void unplaced_nics(const struct notes *n)
{
    for (unsigned i = 0; i < n->m->nlinks; i++) {
        const struct machine_link *l = &n->m->links[i];

        if (l->kind == LINK_PHYSICAL && l->node == MACHINE_NODE_UNKNOWN)
            say(n, "NIC %s does not say on which node it is: the CPU that takes its packets counts",
                l->name);
    }
}

void topology_describe_plan(const struct machine *m, const struct topo *t, const struct plan *p,
                            topology_line *line, void *context)
{
    struct notes n = {m, t, p, line, context};

    for (unsigned i = 0; i < p->count; i++)
        silo_line(&n, i);
    if (t->quota > 0 && t->quota < t->nallowed)
        say(&n, "the control group gives the time of %u of %u CPUs", t->quota, t->nallowed);
    for (unsigned i = 0; i < p->count; i++)
        silo_oddities(&n, i);
    for (unsigned i = 0; i < m->nnodes; i++) {
        if (cpu_oddities(&n, &m->nodes[i]))
            unused_cpus(&n, &m->nodes[i]);
        if (m->nnodes > 1)
            device_oddities(&n, &m->nodes[i]);
    }
    if (m->nnodes > 1)
        unplaced_nics(&n);
}
