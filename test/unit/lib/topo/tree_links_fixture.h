// SPDX-License-Identifier: Apache-2.0
//
// Network interfaces for trees: NICs, bonds, VLANs and bridges.
#pragma once

#include "test/unit/lib/topo/tree_fixture.h"

// What every interface has, in its own folder; `class` is what the link in sys/class/net points to.
static inline void tree_interface(const char *dir, const char *class, const char *name, int index)
{
    char mac[32];

    tree_number(index, dir, "ifindex");
    tree_put("0x1003", "%s/flags", dir);
    tree_put("1", "%s/carrier", dir);
    snprintf(mac, sizeof(mac), "02:00:00:00:00:%02x", (unsigned)index);
    tree_put(mac, "%s/address", dir);
    tree_put("", "%s/uevent", dir);
    tree_link(class, "sys/class/net/%s", name);
}

// Index `index` also numbers the PCI device. 25 Gb/s, four receive queues, up.
static inline void tree_nic(const char *name, int index, int node, bool virtio)
{
    char pci[64], dir[160], target[192];

    snprintf(pci, sizeof(pci), "devices/pci0000:00/0000:00:%02x.0", (unsigned)index);
    snprintf(dir, sizeof(dir), "sys/%s", pci);
    tree_number(node, dir, "numa_node");
    snprintf(target, sizeof(target), "../../%s%s/net/%s", pci, virtio ? "/virtio7" : "", name);
    snprintf(dir, sizeof(dir), "sys/%s%s/net/%s", pci, virtio ? "/virtio7" : "", name);
    tree_interface(dir, target, name, index);
    tree_put("25000", "%s/speed", dir);
    tree_link(virtio ? "../../../virtio7" : "../..", "%s/device", dir);
    for (int i = 0; i < 4; i++)
        tree_put("0", "%s/queues/rx-%d/rps_cpus", dir, i);
}

static inline void tree_virtual(const char *name, int index)
{
    char dir[128], target[128];

    snprintf(dir, sizeof(dir), "sys/devices/virtual/net/%s", name);
    snprintf(target, sizeof(target), "../../devices/virtual/net/%s", name);
    tree_interface(dir, target, name, index);
}

static inline void tree_bond(const char *name, int index, const char *mode, const char *slaves)
{
    tree_virtual(name, index);
    tree_put(mode, "sys/class/net/%s/bonding/mode", name);
    tree_put("layer3+4 1", "sys/class/net/%s/bonding/xmit_hash_policy", name);
    tree_put("fast 1", "sys/class/net/%s/bonding/lacp_rate", name);
    tree_put("1", "sys/class/net/%s/bonding/ad_aggregator", name);
    tree_put(slaves, "sys/class/net/%s/bonding/slaves", name);
}

static inline void tree_member(const char *bond, const char *name, const char *state,
                               const char *aggregator)
{
    char target[128];

    snprintf(target, sizeof(target), "%s/sys/class/net/%s", tree, bond);
    tree_link(target, "sys/class/net/%s/master", name);
    tree_put(state, "sys/class/net/%s/bonding_slave/state", name);
    tree_put("up", "sys/class/net/%s/bonding_slave/mii_status", name);
    tree_put(aggregator, "sys/class/net/%s/bonding_slave/ad_aggregator_id", name);
}

static inline void tree_vlan(const char *name, int index, const char *lower)
{
    char target[128];

    tree_virtual(name, index);
    tree_put("DEVTYPE=vlan\nINTERFACE=x", "sys/class/net/%s/uevent", name);
    snprintf(target, sizeof(target), "%s/sys/class/net/%s", tree, lower);
    tree_link(target, "sys/devices/virtual/net/%s/lower_%s", name, lower);
}

static inline void tree_bridge(const char *name, int index, const char *port)
{
    char target[128];

    tree_virtual(name, index);
    tree_put("8000.000000000000", "sys/class/net/%s/bridge/bridge_id", name);
    snprintf(target, sizeof(target), "%s/sys/class/net/%s", tree, name);
    tree_link(target, "sys/class/net/%s/master", port);
}
