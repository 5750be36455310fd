// SPDX-License-Identifier: Apache-2.0
//
// Machines made up in memory, with a plan for them: what reports are fed with.
#pragma once

#include <criterion/criterion.h>
#include <net/if.h> // before the kernel's own header of that name
#include <linux/if_bonding.h>
#include <stdio.h>
#include <string.h>

#include "lib/topo/machine.h"
#include "lib/topo/topo.h"
#include "server/config/config.h"
#include "server/process/plan.h"
#include "server/report/topology.h"

static struct machine_node made_nodes[8];
static struct machine_link made_links[16];
static struct machine_disk made_disks[8];
static struct machine made = {
    .root = "/captured", .nodes = made_nodes, .links = made_links, .disks = made_disks};
static struct topo made_topo;
static struct plan made_plan;
static struct main_conf made_conf;

static inline void parse_cpus(const char *list, cpu_set_t *cpus)
{
    char why[128];

    CPU_ZERO(cpus);
    if (list[0] != '\0')
        cr_assert_eq(topo_parse_cpus(sv_from(list), cpus, why, sizeof(why)), 0, "%s", why);
}

static inline void add_node(int id, const char *cpus, unsigned gib)
{
    struct machine_node *n = &made.nodes[made.nnodes++];

    n->id = id;
    n->memory = (uint64_t)gib << 30;
    parse_cpus(cpus, &n->cpus);
}

static inline struct machine_link *add_link(const char *name, enum link_kind kind, int node)
{
    struct machine_link *l = &made.links[made.nlinks++];

    *l = (struct machine_link){
        .index = (int)made.nlinks, .kind = kind, .node = node, .up = true, .speed = 25000};
    strcpy(l->name, name);
    return l;
}

static inline void add_disk(const char *name, int node)
{
    struct machine_disk *d = &made.disks[made.ndisks++];

    strcpy(d->name, name);
    d->node = node;
}

// `allowed`: NULL for all. `workers`: 0 for auto.
static inline void make_plan(const char *allowed, int64_t workers)
{
    cr_assert_eq(topo_load_machine(&made_topo, &made), 0);
    if (allowed != NULL) {
        cpu_set_t before = made_topo.allowed;

        parse_cpus(allowed, &made_topo.allowed);
        made_topo.nallowed = (unsigned)CPU_COUNT(&made_topo.allowed);
        cr_assert_leq(made_topo.nallowed, (unsigned)CPU_COUNT(&before));
        for (unsigned i = 0; i < made_topo.nby_node;) {
            struct topo_group *g = &made_topo.by_node[i];

            CPU_AND(&g->cpus, &g->cpus, &made_topo.allowed);
            if (CPU_COUNT(&g->cpus) > 0)
                i++;
            else
                *g = made_topo.by_node[--made_topo.nby_node];
        }
    }
    made_conf.worker_processes = workers;
    cr_assert_eq(plan_make_on(&made_topo, &made_conf, &made_plan), 0);
}

static inline void free_plan(void)
{
    plan_free(&made_plan);
    topo_destroy(&made_topo);
}

// Two sockets, each with a NIC in one LACP bond, a VLAN on it, and a disk.
static inline void make_two_sockets(void)
{
    add_node(0, "0-3", 64);
    add_node(1, "4-7", 64);
    add_link("lo", LINK_VIRTUAL, MACHINE_NODE_UNKNOWN);
    struct machine_link *eth0 = add_link("eth0", LINK_PHYSICAL, 0);
    struct machine_link *eth1 = add_link("eth1", LINK_PHYSICAL, 1);
    struct machine_link *bond = add_link("bond0", LINK_BOND, MACHINE_NODE_UNKNOWN);
    struct machine_link *vlan = add_link("bond0.7", LINK_VLAN, MACHINE_NODE_UNKNOWN);
    eth0->master = eth1->master = vlan->lower = bond->index;
    eth1->position = 1;
    eth0->transmits = eth1->transmits = true;
    bond->bond_mode = BOND_MODE_8023AD;
    bond->bond_policy = BOND_XMIT_POLICY_LAYER34;
    bond->lacp_fast = true;
    vlan->vlan = 7;
    add_disk("nvme0n1", 0);
    add_disk("nvme1n1", 1);
}
