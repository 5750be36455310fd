// SPDX-License-Identifier: Apache-2.0
//
// What a bond says about itself and about its members
// (Documentation/networking/bonding.rst, "Configuring Bonding Manually via Sysfs").
#include <net/if.h> // before the kernel's own header of that name
#include <linux/if_bonding.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/topo/machine_priv.h"

// The number after the last space of "802.3ad 4"; -1 when there is none in range.
static int option(const char *dir, const char *name, int last)
{
    char line[64], *end;
    const char *space;

    if (!sysfs_line(dir, name, line, sizeof(line)) || (space = strrchr(line, ' ')) == NULL)
        return -1;
    long value = strtol(space + 1, &end, 10);
    return end != space + 1 && *end == '\0' && value >= 0 && value <= last ? (int)value : -1;
}

void machine_read_bond(const char *dir, struct machine_link *bond)
{
    bond->bond_mode = option(dir, "bonding/mode", BOND_MODE_ALB);
    bond->bond_policy = option(dir, "bonding/xmit_hash_policy", BOND_XMIT_POLICY_VLAN_SRCMAC);
    bond->lacp_fast = option(dir, "bonding/lacp_rate", 1) == 1;
}

// In 802.3ad the ports of one aggregator carry everything; -1 when the bond does not say which.
static int64_t active_aggregator(const char *dir)
{
    int64_t id;

    return sysfs_number(dir, "bonding/ad_aggregator", &id) ? id : -1;
}

static bool says(const char *dir, const char *name, const char *word)
{
    char line[32];

    return sysfs_line(dir, name, line, sizeof(line)) && strcmp(line, word) == 0;
}

// As bond_slave_can_tx() and bond_update_slave_arr() of the kernel have it.
static bool can_transmit(const struct machine_link *bond, const char *bond_dir, const char *dir)
{
    int64_t active, own;

    if (!says(dir, "bonding_slave/mii_status", "up") ||
        !says(dir, "bonding_slave/state", "active"))
        return false;
    if (bond->bond_mode != BOND_MODE_8023AD)
        return true;
    active = active_aggregator(bond_dir);
    return active < 0 ||
           (sysfs_number(dir, "bonding_slave/ad_aggregator_id", &own) && own == active);
}

static struct machine_link *find(struct machine_link *links, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(links[i].name, name) == 0)
            return &links[i];
    }
    return NULL;
}

static void read_members(const struct machine *m, const struct machine_link *bond,
                         struct machine_link *links, unsigned count)
{
    char bond_dir[SYSFS_PATH_MAX], dir[SYSFS_PATH_MAX], line[4096];
    unsigned position = 0;

    if (!sysfs_path(bond_dir, "%s/sys/class/net/%s", m->root, bond->name) ||
        !sysfs_line(bond_dir, "bonding/slaves", line, sizeof(line)))
        return;
    for (char *save, *w = strtok_r(line, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
        struct machine_link *member = find(links, count, w);

        // One that joined or left between two reads is told by the next change of links.
        if (member == NULL || member->master != bond->index)
            continue;
        member->position = position++;
        if (sysfs_path(dir, "%s/sys/class/net/%s", m->root, w))
            member->transmits = can_transmit(bond, bond_dir, dir);
    }
}

void machine_read_bond_members(const struct machine *m, struct machine_link *links,
                               unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (links[i].kind == LINK_BOND)
            read_members(m, &links[i], links, count);
    }
}
