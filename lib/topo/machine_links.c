// SPDX-License-Identifier: Apache-2.0
//
// Network interfaces: ROOT/sys/class/net, and /proc/net/vlan for the one thing that sysfs leaves
// out. Which bond members there are, and in which order, is machine_bond.c's.
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/topo/machine_priv.h"

static enum link_kind kind_of(const char *dir)
{
    char line[64];

    if (sysfs_exists(dir, "bonding/mode"))
        return LINK_BOND;
    if (sysfs_exists(dir, "bridge/bridge_id"))
        return LINK_BRIDGE;
    if (sysfs_exists(dir, "device"))
        return LINK_PHYSICAL;
    // Of a virtual interface with a type the first line is the type.
    if (sysfs_line(dir, "uevent", line, sizeof(line)) && strcmp(line, "DEVTYPE=vlan") == 0)
        return LINK_VLAN;
    return LINK_VIRTUAL;
}

static bool is_up(const char *dir)
{
    char flags[32];
    int64_t carrier;

    return sysfs_line(dir, "flags", flags, sizeof(flags)) &&
           (strtoul(flags, NULL, 16) & IFF_UP) != 0 && sysfs_number(dir, "carrier", &carrier) &&
           carrier == 1;
}

static int64_t speed_of(const char *dir)
{
    int64_t speed;

    return sysfs_number(dir, "speed", &speed) && speed > 0 && speed <= INT_MAX ? speed : -1;
}

static void read_mac(const char *dir, uint8_t mac[6])
{
    char text[32];
    unsigned b[6];

    if (sysfs_line(dir, "address", text, sizeof(text)) &&
        sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) == 6) {
        for (int i = 0; i < 6; i++)
            mac[i] = (uint8_t)b[i];
    }
}

static unsigned count_rx_queues(const char *dir)
{
    char queues[SYSFS_PATH_MAX];
    sysfs_name *names;
    unsigned count;

    if (!sysfs_path(queues, "%s/queues", dir) ||
        sysfs_names(queues, "rx-", CPU_SETSIZE, &names, &count) != 0)
        return 0;
    free(names);
    return count;
}

static int index_at(const char *dir, const char *file)
{
    int64_t index;

    return sysfs_number(dir, file, &index) && index > 0 && index <= INT_MAX ? (int)index : 0;
}

// The only interface below. Not iflink, which may be a number of another network namespace.
static int lower_of(const char *dir)
{
    char file[SYSFS_NAME_MAX + 16];
    sysfs_name *names;
    unsigned count;
    int index = 0;

    if (sysfs_names(dir, "lower_", 2, &names, &count) != 0)
        return 0;
    if (count == 1) {
        snprintf(file, sizeof(file), "%s/ifindex", names[0]);
        index = index_at(dir, file);
    }
    free(names);
    return index;
}

// /proc/net/vlan/NAME begins with "NAME  VID: 100"; a tree that was captured without it leaves the
// name, which by custom ends in the number.
static uint16_t vlan_of(const char *root, const char *name)
{
    char dir[SYSFS_PATH_MAX], line[128];
    const char *at = NULL;

    if (sysfs_path(dir, "%s/proc/net/vlan", root) && sysfs_line(dir, name, line, sizeof(line)))
        at = strstr(line, "VID: ");
    if (at != NULL)
        at += strlen("VID: ");
    else if (strrchr(name, '.') != NULL)
        at = strrchr(name, '.') + 1;
    unsigned long id = at != NULL ? strtoul(at, NULL, 10) : 0;
    return id < 4095 ? (uint16_t)id : 0;
}

// False for what is no interface, or is gone again.
static bool read_link(const struct machine *m, const char *dir, struct machine_link *link)
{
    char device[SYSFS_PATH_MAX];

    link->index = index_at(dir, "ifindex");
    if (link->index == 0)
        return false;
    link->kind = kind_of(dir);
    link->node = MACHINE_NODE_UNKNOWN;
    link->up = is_up(dir);
    link->speed = speed_of(dir);
    link->rx_queues = count_rx_queues(dir);
    read_mac(dir, link->mac);
    link->master = index_at(dir, "master/ifindex");
    if (link->kind == LINK_PHYSICAL && sysfs_path(device, "%s/device", dir))
        link->node = machine_plausible_node(m, sysfs_device_node(m->root, device));
    if (link->kind == LINK_VLAN || link->kind == LINK_VIRTUAL)
        link->lower = lower_of(dir);
    if (link->kind == LINK_VLAN)
        link->vlan = vlan_of(m->root, link->name);
    if (link->kind == LINK_BOND)
        machine_read_bond(dir, link);
    return true;
}

static int by_index(const void *a, const void *b)
{
    const struct machine_link *x = a, *y = b;

    return (x->index > y->index) - (x->index < y->index);
}

static unsigned read_all(const struct machine *m, const char *top, const sysfs_name *names,
                         unsigned count, struct machine_link *links)
{
    char dir[SYSFS_PATH_MAX];
    unsigned kept = 0;

    for (unsigned i = 0; i < count; i++) {
        struct machine_link *link = &links[kept];

        *link = (struct machine_link){.index = 0};
        if (strlen(names[i]) >= sizeof(link->name) || !sysfs_path(dir, "%s/%s", top, names[i]))
            continue;
        strcpy(link->name, names[i]);
        if (read_link(m, dir, link))
            kept++;
    }
    return kept;
}

int machine_read_links(const struct machine *m, struct machine_link **links, unsigned *count)
{
    char top[SYSFS_PATH_MAX];
    sysfs_name *names;
    unsigned n;
    int rc;

    *links = NULL;
    *count = 0;
    if (!sysfs_path(top, "%s/sys/class/net", m->root))
        return -ENAMETOOLONG;
    rc = sysfs_names(top, "", MACHINE_LINKS_MAX, &names, &n);
    if (rc == -ENOENT)
        return 0; // a captured tree without interfaces
    if (rc != 0)
        return rc;
    *links = calloc((size_t)n + 1, sizeof(**links));
    if (*links != NULL) {
        *count = read_all(m, top, names, n, *links);
        qsort(*links, *count, sizeof(**links), by_index);
        machine_read_bond_members(m, *links, *count);
    }
    free(names);
    return *links != NULL ? 0 : -ENOMEM;
}
