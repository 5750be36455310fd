// SPDX-License-Identifier: Apache-2.0
//
// The picture for people: a table of nodes, one of what lies over the NICs, one of file systems,
// and sentences.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/topo/mounts.h"
#include "lib/topo/topo.h"
#include "server/config/config.h"
#include "server/process/plan.h"
#include "server/report/grid.h"
#include "server/report/topology_priv.h"

enum { NODE, CPUS, MEMORY, NICS, DISKS, SILOS, NODE_COLUMNS };

static void put_memory(struct grid *g, unsigned row, uint64_t bytes)
{
    double gib = (double)bytes / (1 << 30);

    if (bytes == 0)
        grid_put(g, row, MEMORY, "none");
    else
        grid_put(g, row, MEMORY, gib < 10 ? "%.1f GiB" : "%.0f GiB", gib);
}

static void put_cpus(struct grid *g, unsigned row, const struct topo *t, const cpu_set_t *cpus)
{
    char all[TOPO_CPUS_TEXT], some[TOPO_CPUS_TEXT];
    cpu_set_t allowed;

    CPU_AND(&allowed, cpus, &t->allowed);
    topo_format_cpus(cpus, all, sizeof(all));
    topo_format_cpus(&allowed, some, sizeof(some));
    if (CPU_COUNT(cpus) == 0)
        grid_put(g, row, CPUS, "none");
    else
        grid_put(g, row, CPUS, "%s", all);
    if (CPU_COUNT(&allowed) == 0 && CPU_COUNT(cpus) > 0)
        grid_put(g, row + 1, CPUS, "none allowed");
    else if (!CPU_EQUAL(&allowed, cpus))
        grid_put(g, row + 1, CPUS, "allowed: %s", some);
}

// "eth0  25 Gb/s (bond0 bond0.100)"
static void put_nic(struct grid *g, unsigned row, const struct machine *m,
                    const struct machine_link *nic)
{
    char above[512] = "", speed[32];
    size_t used = 0;

    for (unsigned i = 0; i < m->nlinks; i++) {
        const struct machine_link *l = &m->links[i];

        if (topology_is_above(m, l, nic) && used + IFNAMSIZ + 2 < sizeof(above))
            used += (size_t)snprintf(above + used, sizeof(above) - used, "%s%s",
                                     used > 0 ? " " : " (", l->name);
    }
    topology_speed(nic->speed, speed, sizeof(speed));
    grid_put(g, row, NICS, "%s %s%s%s", nic->name, nic->up ? speed : "down", above,
             used > 0 ? ")" : "");
}

static void put_nics(struct grid *g, unsigned row, const struct machine *m, int node)
{
    for (unsigned i = 0; i < m->nlinks; i++) {
        if (m->links[i].kind == LINK_PHYSICAL && m->links[i].node == node)
            put_nic(g, row++, m, &m->links[i]);
    }
}

static void put_disks(struct grid *g, unsigned row, const struct machine *m, int node)
{
    for (unsigned i = 0; i < m->ndisks; i++) {
        if (m->disks[i].node == node)
            grid_put(g, row++, DISKS, "%s", m->disks[i].name);
    }
}

static void put_silos(struct grid *g, unsigned row, const struct plan *p, int node)
{
    for (unsigned i = 0; i < p->count; i++) {
        const struct plan_silo *s = &p->silos[i];
        char cpus[TOPO_CPUS_TEXT];

        if (s->node != node)
            continue;
        topo_format_cpus(&s->cpus, cpus, sizeof(cpus));
        grid_put(g, row++, SILOS, "silo %u: CPUs %s, %u worker%s", i, cpus, s->workers,
                 s->workers == 1 ? "" : "s");
    }
}

static void put_node(struct grid *g, const struct topology_view *v, const struct machine_node *node)
{
    unsigned row = g->rows;

    grid_put(g, row, NODE, "%d", node->id);
    put_cpus(g, row, v->topo, &node->cpus);
    put_memory(g, row, node->memory);
    put_nics(g, row, v->machine, node->id);
    put_disks(g, row, v->machine, node->id);
    put_silos(g, row, v->plan, node->id);
}

// What is on no known node, if there is such.
static void put_elsewhere(struct grid *g, const struct topology_view *v)
{
    unsigned row = g->rows;

    put_nics(g, row, v->machine, MACHINE_NODE_UNKNOWN);
    put_disks(g, row, v->machine, MACHINE_NODE_UNKNOWN);
    put_silos(g, row, v->plan, TOPO_NODE_ANY);
    if (g->rows > row)
        grid_put(g, row, NODE, "any");
}

static int print_nodes(const struct topology_view *v, FILE *out)
{
    static const char *const headings[] = {
        [NODE] = "node", [CPUS] = "CPUs",   [MEMORY] = "memory",
        [NICS] = "NICs", [DISKS] = "disks", [SILOS] = "silos"};
    struct grid g;

    grid_init(&g, NODE_COLUMNS);
    for (unsigned i = 0; i < NODE_COLUMNS; i++)
        grid_put(&g, 0, i, "%s", headings[i]);
    for (unsigned i = 0; i < v->machine->nnodes; i++)
        put_node(&g, v, &v->machine->nodes[i]);
    put_elsewhere(&g, v);
    int rc = grid_print(&g, out);
    grid_free(&g);
    return rc;
}

// "eth0 (node 0), eth1 (node 1, idle)"
static void put_members(struct grid *g, unsigned row, unsigned column, const struct machine *m,
                        const struct machine_link *link)
{
    const struct machine_link *members[MACHINE_MEMBERS_MAX];
    unsigned n = machine_members(m, link, members, MACHINE_MEMBERS_MAX);
    char text[1024] = "", node[16];
    size_t used = 0;

    for (unsigned i = 0; i < n && used + 64 < sizeof(text); i++) {
        const struct machine_link *master = machine_link(m, members[i]->master);
        bool idle = master != NULL && master->kind == LINK_BOND && !members[i]->transmits;

        snprintf(node, sizeof(node), members[i]->node >= 0 ? "node %d" : "no node",
                 members[i]->node);
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s (%s%s)",
                                 used > 0 ? ", " : "", members[i]->name, node,
                                 idle ? ", sends nothing" : "");
    }
    grid_put(g, row, column, "%s", text);
}

static void put_above(struct grid *g, const struct machine *m, const struct machine_link *l)
{
    const struct machine_link *lower = machine_link(m, l->lower);
    unsigned row = g->rows;

    grid_put(g, row, 0, "%s", l->name);
    if (l->kind == LINK_BOND)
        grid_put(g, row, 1, "bond, %s, %s%s", topology_bond_mode(l->bond_mode),
                 topology_bond_policy(l->bond_policy), l->lacp_fast ? ", LACP fast" : "");
    else if (l->kind == LINK_VLAN)
        grid_put(g, row, 1, "VLAN %u of %s", l->vlan, lower != NULL ? lower->name : "?");
    else
        grid_put(g, row, 1, "%s", topology_kind(l->kind));
    put_members(g, row, 2, m, l);
}

static int print_above(const struct machine *m, FILE *out)
{
    const struct machine_link *member;
    struct grid g;
    int rc = 0;

    grid_init(&g, 3);
    grid_put(&g, 0, 0, "interface");
    grid_put(&g, 0, 1, "is");
    grid_put(&g, 0, 2, "sends through");
    for (unsigned i = 0; i < m->nlinks; i++) {
        if (m->links[i].kind != LINK_PHYSICAL && machine_members(m, &m->links[i], &member, 1) > 0)
            put_above(&g, m, &m->links[i]);
    }
    if (g.rows > 1) {
        fputc('\n', out);
        rc = grid_print(&g, out);
    }
    grid_free(&g);
    return rc;
}

static void put_mount(struct grid *g, const struct machine *m, const struct mounted *mount)
{
    const struct machine_disk *disks[MACHINE_MEMBERS_MAX];
    unsigned n = machine_disks(m, mount->dev, mount->id, disks, MACHINE_MEMBERS_MAX);
    unsigned row = g->rows;
    char text[1024] = "", node[16];
    size_t used = 0;

    if (n == 0)
        return;
    for (unsigned i = 0; i < n && used + 64 < sizeof(text); i++) {
        snprintf(node, sizeof(node), disks[i]->node >= 0 ? "node %d" : "no node", disks[i]->node);
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s (%s)",
                                 used > 0 ? ", " : "", disks[i]->name, node);
    }
    grid_put(g, row, 0, "%s", mount->path);
    grid_put(g, row, 1, "%s", mount->type);
    grid_put(g, row, 2, "%s", text);
}

static int print_mounts(const struct machine *m, FILE *out)
{
    struct mounted *mounts;
    unsigned count;
    struct grid g;
    int rc = mounts_read(m->root, &mounts, &count);

    if (rc != 0)
        return rc == -ENOMEM ? rc : 0; // a captured tree need not have them
    grid_init(&g, 3);
    grid_put(&g, 0, 0, "file system");
    grid_put(&g, 0, 1, "type");
    grid_put(&g, 0, 2, "lies on");
    for (unsigned i = 0; i < count; i++)
        put_mount(&g, m, &mounts[i]);
    if (g.rows > 1) {
        fputc('\n', out);
        rc = grid_print(&g, out);
    }
    grid_free(&g);
    mounts_free(mounts, count);
    return rc;
}

static void print_note(void *context, const char *text)
{
    fprintf(context, "  %s\n", text);
}

// As steering_name() has it.
static const char *spelt(const char *kind)
{
    return strcmp(kind, "ebpf") == 0 ? "eBPF" : strcmp(kind, "cbpf") == 0 ? "classic BPF" : kind;
}

static void print_sentences(const struct topology_view *v, FILE *out)
{
    const struct topology_steering *s = &v->steering;

    fprintf(out, "\nConfiguration: %s (silos %s; %u workers)\n",
            v->configuration != NULL ? v->configuration : "none",
            topology_silos_word(v->conf), v->plan->workers);
    fprintf(out, "Steering: %s, by %s: %s\n", spelt(s->kind), s->by, s->why);
    if (s->after != NULL)
        fprintf(out, "After accept: the node is found by %s\n",
                strcmp(s->after, "napi") == 0
                    ? "the NAPI id of the queue (netdev netlink family)"
                    : "the CPU that took the packets (this kernel does not tell NAPI ids apart)");
    fprintf(out, "At start the log says:\n");
    topology_describe_plan(v->machine, v->topo, v->plan, print_note, out);
}

int topology_print_table(const struct topology_view *v, FILE *out)
{
    int rc = print_nodes(v, out);

    if (rc == 0)
        rc = print_above(v->machine, out);
    if (rc == 0)
        rc = print_mounts(v->machine, out);
    if (rc == 0)
        print_sentences(v, out);
    return rc;
}
