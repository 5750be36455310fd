// SPDX-License-Identifier: Apache-2.0
//
// Machines as trees of files: what is read from them, and what is refused.
#include "lib/topo/machine.h"

#include <errno.h>
#include <linux/if_bonding.h>
#include <sys/sysmacros.h>

#include "lib/topo/mounts.h"
#include "test/unit/lib/topo/tree_disks_fixture.h"
#include "test/unit/lib/topo/tree_links_fixture.h"

static struct machine m;

static void teardown(void)
{
    machine_free(&m);
    tree_end();
}

TestSuite(machine, .init = tree_begin, .fini = teardown);

static void load(void)
{
    machine_free(&m);
    cr_assert_eq(machine_load(&m, tree), 0);
}

static const struct machine_link *named(const char *name)
{
    const struct machine_link *l = machine_link_named(&m, name);

    cr_assert_not_null(l, "%s", name);
    return l;
}

static const struct machine_disk *disk(const char *name)
{
    for (unsigned i = 0; i < m.ndisks; i++) {
        if (strcmp(m.disks[i].name, name) == 0)
            return &m.disks[i];
    }
    return NULL;
}

static void add_word(char *text, const char *word)
{
    if (text[0] != '\0')
        strcat(text, " ");
    strcat(text, word);
}

// "eth1 eth0": what an interface comes down to.
static const char *members(const char *name, unsigned max)
{
    static char text[512];
    const struct machine_link *out[MACHINE_MEMBERS_MAX];
    unsigned n = machine_members(&m, named(name), out, max);

    text[0] = '\0';
    for (unsigned i = 0; i < n; i++)
        add_word(text, out[i]->name);
    return text;
}

static const char *disks_of(unsigned major, unsigned minor)
{
    return tree_disks(&m, makedev(major, minor), MOUNT_UNKNOWN);
}

static void two_nodes(void)
{
    tree_nodes("0-1");
    tree_node(0, "0-3", 2048);
    tree_node(1, "4-7", 1024);
}

// Two sockets, each with a NIC in one LACP bond; a VLAN on the bond, and a bridge over it.
static void two_sockets(void)
{
    two_nodes();
    tree_nic("eth0", 2, 0, false);
    tree_nic("eth1", 3, 1, true);
    tree_bond("bond0", 4, "802.3ad 4", "eth1 eth0");
    tree_member("bond0", "eth0", "active", "1");
    tree_member("bond0", "eth1", "active", "1");
    tree_vlan("bond0.100", 5, "bond0");
    tree_bridge("br0", 6, "bond0.100");
    tree_virtual("lo", 1);
}

Test(machine, nodes_cpus_and_memory)
{
    two_nodes();
    load();
    cr_assert_eq(m.nnodes, 2);
    cr_expect_eq(m.nodes[1].id, 1);
    cr_expect_eq(CPU_COUNT(&m.nodes[1].cpus), 4);
    cr_expect_eq(m.nodes[1].memory, 1024ull << 20);
    cr_expect_eq(machine_cpu_node(&m, 3), 0);
    cr_expect_eq(machine_cpu_node(&m, 4), 1);
    cr_expect_eq(machine_cpu_node(&m, 8), MACHINE_NODE_UNKNOWN);
    cr_expect_eq(machine_cpu_node(&m, -1), MACHINE_NODE_UNKNOWN);
    cr_expect_eq(machine_cpu_node(&m, CPU_SETSIZE), MACHINE_NODE_UNKNOWN);
}

Test(machine, node_numbers_have_gaps_and_nodes_lack_cpus_or_memory)
{
    tree_nodes("0,2,8");
    tree_node(0, "0-1", 0);
    tree_node(2, "", 4096);
    tree_node(8, "2-3", 1);
    load();
    cr_assert_eq(m.nnodes, 3);
    cr_expect_eq(m.nodes[0].memory, 0);
    cr_expect_eq(CPU_COUNT(&m.nodes[1].cpus), 0);
    cr_expect_eq(m.nodes[1].memory, 4096ull << 20);
    cr_expect_eq(m.nodes[2].id, 8);
    cr_expect_eq(machine_cpu_node(&m, 3), 8);
}

Test(machine, without_numa_there_is_one_node_and_every_device_is_on_it)
{
    tree_put("0-2", "sys/devices/system/cpu/online");
    tree_put("MemTotal:  1048576 kB", "proc/meminfo");
    tree_nic("eth0", 2, -1, true);
    tree_nvme(0, -1);
    load();
    cr_assert_eq(m.nnodes, 1);
    cr_expect_eq(m.nodes[0].id, 0);
    cr_expect_eq(CPU_COUNT(&m.nodes[0].cpus), 3);
    cr_expect_eq(m.nodes[0].memory, 1ull << 30);
    cr_expect_eq(named("eth0")->node, 0);
    cr_assert_eq(m.ndisks, 1);
    cr_expect_eq(m.disks[0].node, 0);
}

Test(machine, memory_that_was_plugged_in_later_is_on_a_single_node)
{
    tree_nodes("0");
    tree_node(0, "0-3", 1024);
    tree_put("MemTotal:  4194304 kB", "proc/meminfo");
    load();
    cr_expect_eq(m.nodes[0].memory, 4ull << 30);
    tree_nodes("0-1");
    tree_node(1, "4-7", 1024);
    load();
    cr_expect_eq(m.nodes[0].memory, 1ull << 30, "of two nodes each tells its own");
}

Test(machine, a_root_without_sys_is_no_machine)
{
    cr_expect_eq(machine_load(&m, tree), -ENOENT);
    cr_expect_null(m.root);
    cr_expect_eq(machine_load(&m, "/nonexistent"), -ENOENT);
}

Test(machine, physical_interfaces_have_the_node_of_their_pci_device)
{
    two_sockets();
    tree_put("0x1002", "sys/class/net/eth1/flags");
    load();
    const struct machine_link *eth0 = named("eth0"), *eth1 = named("eth1");
    cr_expect_eq(eth0->kind, LINK_PHYSICAL);
    cr_expect_eq(eth0->node, 0);
    cr_expect_eq(eth0->speed, 25000);
    cr_expect_eq(eth0->rx_queues, 4);
    cr_expect(eth0->up);
    cr_expect_eq(eth0->mac[5], 2);
    cr_expect_eq(eth0->index, 2);
    cr_expect_eq(eth1->kind, LINK_PHYSICAL);
    cr_expect_eq(eth1->node, 1, "one level above a virtio device");
    cr_expect_not(eth1->up);
    cr_expect_eq(machine_link(&m, 3), eth1);
    cr_expect_null(machine_link(&m, 99));
    cr_expect_null(machine_link_named(&m, "eth9"));
    cr_expect_eq(named("lo")->kind, LINK_VIRTUAL);
    cr_expect_eq(named("lo")->node, MACHINE_NODE_UNKNOWN);
}

Test(machine, a_bond_its_order_and_its_members)
{
    two_sockets();
    load();
    const struct machine_link *bond = named("bond0");
    cr_expect_eq(bond->kind, LINK_BOND);
    cr_expect_eq(bond->bond_mode, BOND_MODE_8023AD);
    cr_expect_eq(bond->bond_policy, BOND_XMIT_POLICY_LAYER34);
    cr_expect(bond->lacp_fast);
    cr_expect_eq(named("eth1")->position, 0, "the bond lists eth1 first");
    cr_expect_eq(named("eth0")->position, 1);
    cr_expect_eq(named("eth0")->master, 4);
    cr_expect(named("eth0")->transmits && named("eth1")->transmits);
    cr_expect_str_eq(members("bond0", MACHINE_MEMBERS_MAX), "eth1 eth0");
    cr_expect_str_eq(members("bond0", 1), "eth1");
}

Test(machine, a_vlan_on_a_bond_and_a_bridge_over_it_come_down_to_its_members)
{
    two_sockets();
    tree_put("bond0.100  VID: 100\t REORDER_HDR: 1  dev->priv_flags: 1021",
             "proc/net/vlan/bond0.100");
    load();
    const struct machine_link *vlan = named("bond0.100");
    cr_expect_eq(vlan->kind, LINK_VLAN);
    cr_expect_eq(vlan->lower, 4);
    cr_expect_eq(vlan->vlan, 100);
    cr_expect_eq(vlan->master, 6);
    cr_expect_eq(named("br0")->kind, LINK_BRIDGE);
    cr_expect_str_eq(members("bond0.100", MACHINE_MEMBERS_MAX), "eth1 eth0");
    cr_expect_str_eq(members("br0", MACHINE_MEMBERS_MAX), "eth1 eth0");
    cr_expect_str_eq(members("eth0", MACHINE_MEMBERS_MAX), "eth0");
    cr_expect_str_eq(members("lo", MACHINE_MEMBERS_MAX), "");
}

Test(machine, a_vlan_without_proc_is_named_after_its_id)
{
    two_sockets();
    tree_vlan("vlan7", 7, "eth0");
    load();
    cr_expect_eq(named("bond0.100")->vlan, 100);
    cr_expect_eq(named("vlan7")->vlan, 0, "nobody says");
    cr_expect_str_eq(members("vlan7", MACHINE_MEMBERS_MAX), "eth0");
}

Test(machine, only_ports_of_the_active_aggregator_transmit)
{
    two_sockets();
    tree_put("2", "sys/class/net/eth1/bonding_slave/ad_aggregator_id");
    load();
    cr_expect(named("eth0")->transmits);
    cr_expect_not(named("eth1")->transmits);
    tree_put("1", "sys/class/net/eth1/bonding_slave/ad_aggregator_id");
    tree_put("going down", "sys/class/net/eth1/bonding_slave/mii_status");
    cr_assert_eq(machine_reload_links(&m), 0);
    cr_expect_not(named("eth1")->transmits);
    tree_put("up", "sys/class/net/eth1/bonding_slave/mii_status");
    tree_put("0", "sys/class/net/bond0/bonding/ad_aggregator");
    cr_assert_eq(machine_reload_links(&m), 0);
    cr_expect_not(named("eth0")->transmits, "no aggregator is active");
}

Test(machine, in_active_backup_the_active_one_transmits)
{
    two_sockets();
    tree_put("active-backup 1", "sys/class/net/bond0/bonding/mode");
    tree_put("backup", "sys/class/net/eth0/bonding_slave/state");
    tree_put("N/A", "sys/class/net/eth1/bonding_slave/ad_aggregator_id");
    load();
    cr_expect_eq(named("bond0")->bond_mode, BOND_MODE_ACTIVEBACKUP);
    cr_expect(named("eth1")->transmits);
    cr_expect_not(named("eth0")->transmits);
}

Test(machine, reload_sees_members_leave_and_come)
{
    char path[256];

    two_sockets();
    load();
    snprintf(path, sizeof(path), "%s/sys/class/net/eth1/master", tree);
    cr_assert_eq(unlink(path), 0);
    tree_put("eth0", "sys/class/net/bond0/bonding/slaves");
    tree_nic("eth2", 9, 1, false);
    cr_assert_eq(machine_reload_links(&m), 0);
    cr_expect_str_eq(members("bond0", MACHINE_MEMBERS_MAX), "eth0");
    cr_expect_eq(named("eth0")->position, 0);
    cr_expect_eq(named("eth1")->master, 0);
    cr_expect_eq(named("eth2")->node, 1);
    cr_expect_eq(m.nnodes, 2, "the rest stays");
}

Test(machine, a_failed_reload_keeps_the_interfaces)
{
    char path[256];

    two_sockets();
    load();
    unsigned before = m.nlinks;
    snprintf(path, sizeof(path), "%s/sys/class/net", tree);
    cr_assert_eq(nftw(path, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    tree_put("a file", "sys/class/net");
    cr_expect_eq(machine_reload_links(&m), -ENOTDIR);
    cr_expect_eq(m.nlinks, before);
}

Test(machine, a_node_that_is_not_there_is_unknown)
{
    two_nodes();
    tree_nic("eth0", 2, 7, false);
    tree_nic("eth1", 3, -1, false);
    tree_put("99999999999999999999", "sys/class/net/eth1/device/numa_node");
    load();
    cr_expect_eq(named("eth0")->node, MACHINE_NODE_UNKNOWN);
    cr_expect_eq(named("eth1")->node, MACHINE_NODE_UNKNOWN);
}

// A captured tree is a stranger's: links that lead out of it, rings, and nonsense in files.
Test(machine, a_device_that_leads_out_of_the_tree_has_no_node)
{
    char path[256];

    two_nodes();
    tree_nic("eth0", 2, 1, false);
    snprintf(path, sizeof(path), "%s/sys/class/net/eth0/device", tree);
    cr_assert_eq(unlink(path), 0);
    tree_put("1", "outside/numa_node");
    tree_link("../../../../../../outside", "sys/class/net/eth0/device");
    load();
    cr_expect_eq(named("eth0")->kind, LINK_PHYSICAL);
    cr_expect_eq(named("eth0")->node, MACHINE_NODE_UNKNOWN);
}

Test(machine, interfaces_that_are_below_each_other_end)
{
    two_nodes();
    tree_vlan("a", 2, "b");
    tree_vlan("b", 3, "a");
    tree_bridge("br0", 4, "a");
    tree_link("../br0", "sys/class/net/br0/master");
    load();
    cr_expect_str_eq(members("a", MACHINE_MEMBERS_MAX), "");
    cr_expect_str_eq(members("br0", MACHINE_MEMBERS_MAX), "");
}

Test(machine, a_fifo_or_a_device_is_not_waited_for, .timeout = 10)
{
    char path[256];

    two_sockets();
    snprintf(path, sizeof(path), "%s/sys/devices/system/node/node1/meminfo", tree);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkfifo(path, 0600), 0);
    snprintf(path, sizeof(path), "%s/sys/class/net/eth0/speed", tree);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(symlink("/dev/zero", path), 0);
    load();
    cr_expect_eq(m.nodes[1].memory, 0);
    cr_expect_eq(named("eth0")->speed, -1);
}

Test(machine, nonsense_in_files_is_as_if_they_were_not_there)
{
    two_sockets();
    tree_put("fast", "sys/class/net/eth0/speed");
    tree_put("802.3ad 99", "sys/class/net/bond0/bonding/mode");
    tree_put("layer9 -1", "sys/class/net/bond0/bonding/xmit_hash_policy");
    tree_put("", "sys/class/net/bond0/bonding/lacp_rate");
    tree_put("nobody eth0 bond0 eth0", "sys/class/net/bond0/bonding/slaves");
    tree_put("zz:zz", "sys/class/net/eth0/address");
    tree_put("-3", "sys/class/net/eth1/ifindex");
    tree_put("99999999999999999999", "proc/net/vlan/bond0.100");
    tree_put("4-", "sys/devices/system/node/node1/cpulist");
    tree_put("MemTotal: lots", "sys/devices/system/node/node1/meminfo");
    load();
    cr_expect_eq(named("eth0")->speed, -1);
    cr_expect_eq(named("bond0")->bond_mode, -1);
    cr_expect_eq(named("bond0")->bond_policy, -1);
    cr_expect_not(named("bond0")->lacp_fast);
    cr_expect_null(machine_link_named(&m, "eth1"), "an interface has an index");
    cr_expect_str_eq(members("bond0", MACHINE_MEMBERS_MAX), "eth0");
    cr_expect_eq(CPU_COUNT(&m.nodes[1].cpus), 0);
    cr_expect_eq(m.nodes[1].memory, 0);
}

Test(machine, a_cpu_is_on_one_node_whatever_the_tree_says)
{
    tree_nodes("0-1");
    tree_node(0, "0-3", 1);
    tree_node(1, "2-5", 1);
    load();
    cr_expect_eq(CPU_COUNT(&m.nodes[0].cpus), 4);
    cr_expect_eq(CPU_COUNT(&m.nodes[1].cpus), 2);
    cr_expect_eq(machine_cpu_node(&m, 3), 0);
}

Test(machine, cpus_that_share_a_level_3_cache)
{
    tree_put("0-3", "sys/devices/system/cpu/online");
    tree_put("7", "sys/devices/system/cpu/cpu0/cache/index3/id");
    tree_put("7", "sys/devices/system/cpu/cpu1/cache/index3/id");
    tree_put("nonsense", "sys/devices/system/cpu/cpu2/cache/index3/id");
    cr_assert_eq(machine_load(&m, tree), 0);
    cr_assert_eq(machine_cpu_l3(&m, 0), 7);
    cr_assert_eq(machine_cpu_l3(&m, 1), 7);
    cr_assert_eq(machine_cpu_l3(&m, 2), -1);
    cr_assert_eq(machine_cpu_l3(&m, 3), -1);
    cr_assert_eq(machine_cpu_l3(&m, -1), -1);
}

Test(machine, disks_partitions_and_what_is_no_disk)
{
    two_nodes();
    tree_nvme(0, 0);
    tree_nvme(1, 1);
    tree_block("virtual/block", "loop0", "7:0");
    load();
    cr_assert_eq(m.ndisks, 2);
    cr_expect_eq(disk("nvme1n1")->node, 1);
    cr_expect_eq(disk("nvme1n1")->dev, makedev(259, 2));
    cr_expect_null(disk("loop0"));
    cr_expect_str_eq(disks_of(259, 2), "nvme1n1");
    cr_expect_str_eq(disks_of(259, 3), "nvme1n1", "its partition");
    cr_expect_str_eq(disks_of(7, 0), "");
    cr_expect_str_eq(disks_of(0, 35), "", "tmpfs and overlay have no device");
    cr_expect_str_eq(disks_of(99, 99), "");
}

Test(machine, a_volume_over_md_over_partitions_of_two_disks)
{
    two_nodes();
    tree_nvme(0, 0);
    tree_nvme(1, 1);
    tree_stacked("md0", "9:0", (const char *const[]){"259:1", "259:3", NULL});
    tree_stacked("dm-0", "253:0", (const char *const[]){"9:0", NULL});
    tree_stacked("dm-1", "253:1", (const char *const[]){"9:0", "259:1", NULL});
    load();
    cr_assert_eq(m.ndisks, 2, "md and dm are no disks");
    cr_expect_str_eq(disks_of(9, 0), "nvme0n1 nvme1n1");
    cr_expect_str_eq(disks_of(253, 0), "nvme0n1 nvme1n1");
    cr_expect_str_eq(disks_of(253, 1), "nvme0n1 nvme1n1", "each once");
}

Test(machine, volumes_that_are_below_each_other_end)
{
    two_nodes();
    tree_stacked("dm-0", "253:0", (const char *const[]){"253:1", "253:0", NULL});
    tree_stacked("dm-1", "253:1", (const char *const[]){"253:0", "253:1", NULL});
    load();
    cr_expect_str_eq(disks_of(253, 0), "");
}

// The head is a device of no bus, the paths are hidden disks.
static void multipath(int second_node)
{
    two_nodes();
    tree_put("259:0", "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/dev");
    tree_link("..", "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/device");
    tree_link("../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1", "sys/block/nvme0n1");
    tree_link("../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1",
              "sys/dev/block/259:0");
    for (int i = 0; i < 2; i++) {
        char dir[128], target[192];

        snprintf(dir, sizeof(dir), "sys/devices/pci0000:%d0/0000:%d0:01.0", i, i);
        tree_number(i == 0 ? 1 : second_node, dir, "numa_node");
        snprintf(dir, sizeof(dir), "devices/pci0000:%d0/0000:%d0:01.0/nvme/nvme%d/nvme0c%dn1", i, i,
                 i, i);
        tree_put("1", "sys/%s/hidden", dir);
        tree_link("..", "sys/%s/device", dir);
        snprintf(target, sizeof(target), "../%s", dir);
        tree_link(target, "sys/block/nvme0c%dn1", i);
    }
    load();
}

Test(machine, an_nvme_disk_with_paths_on_one_node_is_there)
{
    multipath(1);
    cr_assert_eq(m.ndisks, 1);
    cr_expect_str_eq(m.disks[0].name, "nvme0n1");
    cr_expect_eq(m.disks[0].node, 1);
    cr_expect_str_eq(disks_of(259, 0), "nvme0n1");
}

Test(machine, an_nvme_disk_with_paths_on_two_nodes_is_on_neither)
{
    multipath(0);
    cr_assert_eq(m.ndisks, 1);
    cr_expect_eq(m.disks[0].node, MACHINE_NODE_UNKNOWN);
}

Test(machine, this_machine_has_a_loopback_and_all_allowed_cpus)
{
    cpu_set_t allowed;

    cr_assert_eq(machine_load(&m, NULL), 0);
    cr_expect_str_eq(m.root, "");
    cr_assert_geq(m.nnodes, 1);
    cr_assert_eq(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        cr_expect(!CPU_ISSET(cpu, &allowed) || machine_cpu_node(&m, cpu) >= 0);
    const struct machine_link *lo = named("lo");
    cr_expect_eq(lo->index, (int)if_nametoindex("lo"));
    cr_expect_eq(lo->kind, LINK_VIRTUAL);
}

Test(machine, the_disks_of_the_root_file_system)
{
    struct stat st;

    cr_assert_eq(machine_load(&m, "/"), 0);
    cr_expect_str_eq(m.root, "", "\"/\" is this machine too");
    cr_assert_eq(stat("/", &st), 0);
    if (major(st.st_dev) == 0)
        cr_skip_test("the root file system has no device");
    cr_expect_str_neq(disks_of(major(st.st_dev), minor(st.st_dev)), "");
}
