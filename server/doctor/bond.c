// SPDX-License-Identifier: Apache-2.0
//
// Link aggregation: does every member carry traffic, is the loss of one noticed, and has every
// node a member of its own (Documentation/networking/bonding.rst).
#include <net/if.h> // before the kernel's header, which then leaves its own version out

#include <linux/if_bonding.h>
#include <stdio.h>
#include <string.h>

#include "server/doctor/doctor_priv.h"
#include "server/doctor/tree_priv.h"

static const char *const modes[] = {
    [BOND_MODE_ROUNDROBIN] = "balance-rr", [BOND_MODE_ACTIVEBACKUP] = "active-backup",
    [BOND_MODE_XOR] = "balance-xor",       [BOND_MODE_BROADCAST] = "broadcast",
    [BOND_MODE_8023AD] = "802.3ad",        [BOND_MODE_TLB] = "balance-tlb",
    [BOND_MODE_ALB] = "balance-alb",
};

// By number, because older headers don't name them all.
static const char *const policies[] = {"layer2",   "layer3+4", "layer2+3",
                                       "encap2+3", "encap3+4", "vlan+srcmac"};

static const struct machine_link *next_bond(const struct doctor *d, unsigned *i)
{
    while (*i < d->machine->nlinks) {
        const struct machine_link *link = &d->machine->links[(*i)++];

        if (link->kind == LINK_BOND)
            return link;
    }
    return NULL;
}

static const struct machine_link *next_member(const struct doctor *d,
                                              const struct machine_link *bond, unsigned *i)
{
    while (*i < d->machine->nlinks) {
        const struct machine_link *link = &d->machine->links[(*i)++];

        if (link->master == bond->index && link->kind != LINK_BOND)
            return link;
    }
    return NULL;
}

static unsigned count_members(const struct doctor *d, const struct machine_link *bond)
{
    unsigned n = 0, i = 0;

    while (next_member(d, bond, &i) != NULL)
        n++;
    return n;
}

// The mode can be changed only while the bond is down and has no member.
static void remake_by_hand(struct doctor *d, struct finding *f, const struct machine_link *bond,
                           const char *mode)
{
    const char *name = shell_quoted(d, bond->name), *member;
    const struct machine_link *m;

    by_hand_add(d, f, "set the switch's ports to LACP; what follows interrupts the network:");
    for (unsigned i = 0; (m = next_member(d, bond, &i)) != NULL;) {
        member = shell_quoted(d, m->name);
        by_hand_add(d, f, "ip link set %s down; ip link set %s nomaster", member, member);
    }
    by_hand_add(d, f, "ip link set %s down", name);
    by_hand_add(d, f, "ip link set %s type bond mode 802.3ad miimon 100 lacp_rate fast "
                      "xmit_hash_policy layer3+4", name);
    for (unsigned i = 0; (m = next_member(d, bond, &i)) != NULL;)
        by_hand_add(d, f, "ip link set %s master %s", shell_quoted(d, m->name), name);
    by_hand_add(d, f, "ip link set %s up", name);
    by_hand_add(d, f, "and back: the same with `mode %s`", mode);
}

static bool look_mode(struct doctor *d, const struct check *c)
{
    const struct machine_link *bond;
    bool looked = false;

    for (unsigned i = 0; (bond = next_bond(d, &i)) != NULL;) {
        unsigned mode = (unsigned)bond->bond_mode, members = count_members(d, bond);
        const char *word = mode < array_len(modes) ? modes[mode] : "unknown";

        looked = true;
        if (mode == BOND_MODE_8023AD || members < 2)
            continue;
        struct finding *f = finding_add(d, c, bond->name, "mode %s over %u members", word,
                                        members);
        // A static aggregate balances too, but a cable in the wrong port goes unnoticed.
        if (f != NULL && mode == BOND_MODE_XOR)
            f->severity = SEVERITY_ADVICE;
        remake_by_hand(d, f, bond, word);
    }
    return looked;
}

static bool hashes(const struct machine_link *bond)
{
    return bond->bond_mode == BOND_MODE_8023AD || bond->bond_mode == BOND_MODE_XOR;
}

static bool look_policy(struct doctor *d, const struct check *c)
{
    const struct machine_link *bond;
    bool looked = false;

    for (unsigned i = 0; (bond = next_bond(d, &i)) != NULL;) {
        unsigned policy = (unsigned)bond->bond_policy;

        if (!hashes(bond))
            continue;
        looked = true;
        if (policy == BOND_XMIT_POLICY_LAYER34 || policy >= array_len(policies))
            continue;
        struct finding *f = finding_add(d, c, bond->name, "xmit_hash_policy is %s",
                                        policies[policy]);
        if (f != NULL && policy != BOND_XMIT_POLICY_LAYER2)
            f->severity = SEVERITY_ADVICE;
        // The file says the name and the number, of which it takes the name.
        change_write(d, f, "layer3+4", doctor_text(d, "%s\n", policies[policy]),
                     "/sys/class/net/%s/bonding/xmit_hash_policy", bond->name);
    }
    return looked;
}

static bool look_lacp_rate(struct doctor *d, const struct check *c)
{
    const struct machine_link *bond;
    bool looked = false;

    for (unsigned i = 0; (bond = next_bond(d, &i)) != NULL;) {
        if (bond->bond_mode != BOND_MODE_8023AD)
            continue;
        looked = true;
        if (bond->lacp_fast)
            continue;
        struct finding *f = finding_add(d, c, bond->name, "lacp_rate is slow");
        const char *name = shell_quoted(d, bond->name);
        by_hand_add(d, f, "the bond must be down for it, which interrupts the network:");
        by_hand_add(d, f, "ip link set %s down; ip link set %s type bond lacp_rate fast; "
                      "ip link set %s up", name, name, name);
        by_hand_add(d, f, "and back: the same with `lacp_rate slow`");
    }
    return looked;
}

static bool look_miimon(struct doctor *d, const struct check *c)
{
    const struct machine_link *bond;
    bool looked = false;

    for (unsigned i = 0; (bond = next_bond(d, &i)) != NULL;) {
        int64_t miimon, arp = 0;

        if (tree_number(d, &miimon, "/sys/class/net/%s/bonding/miimon", bond->name) != 0)
            continue;
        looked = true;
        // Watching by ARP is the other way; the two exclude each other.
        if (tree_number(d, &arp, "/sys/class/net/%s/bonding/arp_interval", bond->name) != 0)
            arp = 0;
        if (miimon > 0 || arp > 0)
            continue;
        change_file(d, finding_add(d, c, bond->name, "miimon is 0, links are not watched"), "100",
                    "/sys/class/net/%s/bonding/miimon", bond->name);
    }
    return looked;
}

static bool has_member_on(const struct doctor *d, const struct machine_link *bond, int node)
{
    const struct machine_link *m;

    for (unsigned i = 0; (m = next_member(d, bond, &i)) != NULL;) {
        if (m->node == node)
            return true;
    }
    return false;
}

static bool look_members(struct doctor *d, const struct check *c)
{
    const struct machine_link *bond;
    bool looked = false;

    for (unsigned i = 0; d->cpu_nodes > 1 && (bond = next_bond(d, &i)) != NULL;) {
        if (count_members(d, bond) == 0 || has_member_on(d, bond, MACHINE_NODE_UNKNOWN))
            continue;
        looked = true;
        for (unsigned n = 0; n < d->machine->nnodes; n++) {
            const struct machine_node *node = &d->machine->nodes[n];

            if (CPU_COUNT(&node->cpus) == 0 || has_member_on(d, bond, node->id))
                continue;
            struct finding *f = finding_add(d, c, bond->name, "node %d has CPUs and no member",
                                            node->id);
            by_hand_add(d, f, "put an interface into a slot of node %d and add it to %s, or leave "
                              "the node out with `silo` lines for the others", node->id,
                        bond->name);
        }
    }
    return looked;
}

static bool look_aggregator(struct doctor *d, const struct check *c)
{
    const struct machine_link *bond, *m;
    bool looked = false;

    for (unsigned i = 0; (bond = next_bond(d, &i)) != NULL;) {
        if (bond->bond_mode != BOND_MODE_8023AD)
            continue;
        for (unsigned j = 0; (m = next_member(d, bond, &j)) != NULL;) {
            looked = true;
            if (!m->up || m->transmits)
                continue;
            struct finding *f = finding_add(d, c, m->name, "up, but not in the aggregate that %s "
                                                           "uses", bond->name);
            by_hand_add(d, f, "compare partner and speed in /proc/net/bonding/%s, and set the "
                              "switch's port into the same LACP group", bond->name);
        }
    }
    return looked;
}

const struct check bond_checks[] = {
    {"bond-mode", SEVERITY_PROBLEM, PHASE_REST,
     "802.3ad spreads flows over all members by agreement with the switch. The other modes leave "
     "members idle, reorder packets, or never learn that a port belongs elsewhere.",
     look_mode},
    {"bond-hash", SEVERITY_PROBLEM, PHASE_REST,
     "layer2 sees the router as the only peer and sends everything by one member; without the "
     "ports, all players behind one address share one. layer3+4 spreads by "
     "connection, and its choice can be predicted.",
     look_policy},
    {"bond-lacp-rate", SEVERITY_ADVICE, PHASE_REST,
     "With the slow rate the partner speaks every 30 seconds, and one that has died with its link "
     "up is noticed after 90; with the fast one after 3.",
     look_lacp_rate},
    {"bond-miimon", SEVERITY_PROBLEM, PHASE_REST,
     "A member that loses its link goes on being given flows, which then hang.",
     look_miimon},
    {"bond-members", SEVERITY_WARNING, PHASE_REST,
     "Whatever the node's silo sends has to cross to another node's interface, and no connection "
     "arrives there that it could serve locally.",
     look_members},
    {"bond-aggregate", SEVERITY_WARNING, PHASE_REST,
     "A bond uses one aggregate at a time: members with another partner, key or speed carry "
     "nothing.",
     look_aggregator},
    {0},
};
