// SPDX-License-Identifier: Apache-2.0
//
// The machine as a picture: memory nodes, network interfaces with the node each hangs on, what
// bonds, VLANs and bridges are made of, and disks. Read from sysfs(5), from this machine or from a
// tree that was captured on another (hwloc-gather-topology(1) makes such trees), which is also how
// tests make machines up. Not through hwloc, because what counts here is where the kernel says that
// a CPU or a device is: its allocator and a steering program go by the same word. Which CPUs the
// process may use is topo.h's business.
//
// On a machine with one node every device is on it, whatever its firmware says or leaves out.
#pragma once

#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/compiler.h"

#define MACHINE_NODE_UNKNOWN (-1)
#define MACHINE_MEMBERS_MAX 32 // physical interfaces of one bond, disks of one file system

struct machine_node {
    int id;          // the kernel's
    cpu_set_t cpus;  // online ones; may be empty (memory alone)
    uint64_t memory; // bytes; may be 0 (CPUs alone)
};

enum link_kind { LINK_PHYSICAL, LINK_BOND, LINK_VLAN, LINK_BRIDGE, LINK_VIRTUAL };

struct machine_link {
    int index; // ifindex
    char name[IFNAMSIZ];
    enum link_kind kind;
    int node;          // of a physical one's device; MACHINE_NODE_UNKNOWN without one
    bool up;           // administratively up, with carrier
    int64_t speed;     // Mbit/s; -1: unknown
    unsigned rx_queues;
    uint8_t mac[6];
    int master;        // ifindex of the bond or bridge it is a member of; 0: none
    int lower;         // a VLAN's (macvlan's, ...): the interface below; 0: none
    uint16_t vlan;     // a VLAN's id; 0: none
    // A bond's:
    int bond_mode;     // BOND_MODE_* of linux/if_bonding.h (after net/if.h); -1: unknown
    int bond_policy;   // BOND_XMIT_POLICY_*; -1: unknown
    bool lacp_fast;
    // A bond member's:
    unsigned position; // in the order of the bond's list, from 0
    bool transmits;    // up, and in the aggregator that the bond uses
};

struct machine_disk {
    char name[32]; // "nvme0n1"
    dev_t dev;
    int node; // of an NVMe disk with several paths: theirs, when they agree
};

struct machine {
    char *root; // "" for this machine; the paths below it are those of sysfs and proc
    struct machine_node *nodes;
    unsigned nnodes;
    struct machine_link *links;
    unsigned nlinks;
    struct machine_disk *disks; // whole physical disks
    unsigned ndisks;
};

// `root`: a directory with a captured "sys" in it; NULL or "": this machine. A machine without NUMA
// has one node, 0, with all CPUs. 0 or -errno (-ENOENT: no sys there).
must_check int machine_load(struct machine *m, const char *root);
void machine_free(struct machine *m); // zeroed is allowed

// Reads the interfaces anew, after a change of links. On failure the old ones stay.
must_check int machine_reload_links(struct machine *m);

const struct machine_link *machine_link(const struct machine *m, int index); // NULL: none
const struct machine_link *machine_link_named(const struct machine *m, const char *name);
// The node that a CPU belongs to, or MACHINE_NODE_UNKNOWN.
int machine_cpu_node(const struct machine *m, int cpu);
// A number of the level 3 cache that a CPU shares with others, or -1; read when asked for.
int machine_cpu_l3(const struct machine *m, int cpu);

// The physical interfaces that an interface comes down to, through bonds, VLANs and bridges, in the
// order of the bond's list; itself when it is physical. How many (at most `max`).
unsigned machine_members(const struct machine *m, const struct machine_link *link,
                         const struct machine_link **out, unsigned max);
// The disks that hold a file. `dev`: its st_dev; `mount`: the mount that it was reached by
// (mounts_id() of mounts.h), or MOUNT_UNKNOWN. The mount is needed only where the device is
// anonymous (major 0): btrfs has one for each subvolume, and no list of them. The dev and id of a
// struct mounted serve as well. The way down goes through partitions, dm and md, the devices of a
// btrfs, and from a loop device to the file behind it; it is bounded, and reads sysfs and
// /proc/self/mountinfo as they are now. How many, at most `max`. 0 for what has no device (tmpfs,
// network), for ZFS and overlayfs, whose devices the kernel does not tell in this way, and for a
// loop device whose file is deleted or not to be found from here.
unsigned machine_disks(const struct machine *m, dev_t dev, int64_t mount,
                       const struct machine_disk **out, unsigned max);
