// SPDX-License-Identifier: Apache-2.0
#include <net/if.h> // before the kernel's own header of that name
#include <linux/if_bonding.h>
#include <stdio.h>

#include "server/config/config.h"
#include "server/report/topology_priv.h"

const char *topology_kind(enum link_kind kind)
{
    static const char *const names[] = {
        [LINK_PHYSICAL] = "physical", [LINK_BOND] = "bond",       [LINK_VLAN] = "vlan",
        [LINK_BRIDGE] = "bridge",     [LINK_VIRTUAL] = "virtual",
    };

    return names[kind];
}

static const char *word(const char *const *names, size_t count, int i)
{
    return i >= 0 && (size_t)i < count && names[i] != NULL ? names[i] : "unknown";
}

const char *topology_bond_mode(int mode)
{
    static const char *const names[] = {
        [BOND_MODE_ROUNDROBIN] = "balance-rr", [BOND_MODE_ACTIVEBACKUP] = "active-backup",
        [BOND_MODE_XOR] = "balance-xor",       [BOND_MODE_BROADCAST] = "broadcast",
        [BOND_MODE_8023AD] = "802.3ad",        [BOND_MODE_TLB] = "balance-tlb",
        [BOND_MODE_ALB] = "balance-alb",
    };

    return word(names, array_len(names), mode);
}

const char *topology_bond_policy(int policy)
{
    static const char *const names[] = {
        [BOND_XMIT_POLICY_LAYER2] = "layer2",   [BOND_XMIT_POLICY_LAYER34] = "layer3+4",
        [BOND_XMIT_POLICY_LAYER23] = "layer2+3", [BOND_XMIT_POLICY_ENCAP23] = "encap2+3",
        [BOND_XMIT_POLICY_ENCAP34] = "encap3+4",
        [BOND_XMIT_POLICY_VLAN_SRCMAC] = "vlan+srcmac",
    };

    return word(names, array_len(names), policy);
}

void topology_speed(int64_t mbit, char *out, size_t size)
{
    if (mbit <= 0)
        snprintf(out, size, "speed unknown");
    else if (mbit < 1000)
        snprintf(out, size, "%lld Mb/s", (long long)mbit);
    else if (mbit % 1000 == 0)
        snprintf(out, size, "%lld Gb/s", (long long)mbit / 1000);
    else
        snprintf(out, size, "%lld.%lld Gb/s", (long long)mbit / 1000,
                 (long long)mbit % 1000 / 100);
}

bool topology_is_above(const struct machine *m, const struct machine_link *link,
                       const struct machine_link *nic)
{
    const struct machine_link *members[MACHINE_MEMBERS_MAX];
    unsigned n = machine_members(m, link, members, MACHINE_MEMBERS_MAX);

    for (unsigned i = 0; i < n; i++) {
        if (members[i] == nic)
            return link != nic;
    }
    return false;
}

const char *topology_silos_word(const struct main_conf *conf)
{
    static const char *const names[] = {[SILOS_AUTO] = "auto", [SILOS_NODE] = "node",
                                        [SILOS_L3] = "l3", [SILOS_NONE] = "none"};

    return conf->silo_lines != NULL ? "given" : word(names, array_len(names), (int)conf->silos);
}
