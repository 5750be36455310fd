// SPDX-License-Identifier: Apache-2.0
//
// Interrupts, queues, rings, offloads and packet steering of interfaces.
#include "test/unit/server/doctor/expect.h"

TestSuite(nic, .init = doctor_setup, .fini = doctor_teardown);

Test(nic, a_good_host_has_no_finding)
{
    examine();
    for (const struct finding *f = doctor.findings; f != NULL; f = f->next)
        cr_expect_eq(f->severity, SEVERITY_OK, "%s, %s: %s", f->check->id, f->where, f->found);
    expect_good("irq-node");
    expect_good("xps");
    expect_good("rss-indirection");
    expect_good("offload");
    expect_good("ktls");
    expect_good("nofile");
    expect_good("bond-aggregate");
}

Test(nic, interrupts_go_to_cpus_of_the_node)
{
    put("/proc/irq/51/smp_affinity_list", "0-7\n");
    put("/proc/irq/52/smp_affinity_list", "2\n");
    examine();
    expect_found("irq-node", SEVERITY_PROBLEM, "eth1 (node 1)",
                 "2 of 4 queue interrupts may go to CPUs that are not the node's (4-7)");
    cr_expect_eq(count_changes("irq-node"), 2);
    expect_change("irq-node", 0, "echo 5 > /proc/irq/51/smp_affinity_list",
                  "echo 0-7 > /proc/irq/51/smp_affinity_list");
    expect_change("irq-node", 1, "echo 6 > /proc/irq/52/smp_affinity_list",
                  "echo 2 > /proc/irq/52/smp_affinity_list");
    expect_good("irq-spread");
}

// Linux 6.12 on a PC: what was written to smp_affinity_list counts from the next interrupt on.
Test(nic, where_an_interrupt_goes_lags_behind_what_was_set)
{
    put("/proc/irq/50/effective_affinity_list", "1\n");
    put("/proc/irq/51/effective_affinity_list", "4\n");
    examine();
    expect_good("irq-node");
    expect_good("irq-spread");
}

Test(nic, an_interrupt_that_may_be_moved_away_is_found)
{
    put("/proc/irq/50/smp_affinity_list", "0-7\n");
    put("/proc/irq/50/effective_affinity_list", "4\n");
    examine();
    cr_expect_eq(only("irq-node")->severity, SEVERITY_PROBLEM);
    expect_change("irq-node", 0, "echo 4 > /proc/irq/50/smp_affinity_list",
                  "echo 0-7 > /proc/irq/50/smp_affinity_list");
}

Test(nic, a_vector_that_is_no_queue_may_go_anywhere)
{
    static const char *const names[] = {"mlx5_async0@pci:0000:3b:00.0", "virtio2-config", "eth0",
                                        "i40e-0000:3b:00.0:misc", "ena-mgmnt@pci:0000:00:05.0"};

    put("/proc/irq/44/smp_affinity_list", "7\n");
    for (size_t i = 0; i < array_len(names); i++) {
        put("/sys/kernel/irq/44/actions", "%s\n", names[i]);
        examine();
        expect_good("irq-node");
    }
    put("/sys/kernel/irq/44/actions", "ice-eth0-TxRx-4\n");
    examine();
    cr_expect_eq(only("irq-node")->severity, SEVERITY_PROBLEM);
}

Test(nic, the_only_vector_is_the_queues_whatever_its_name)
{
    for (int irq = 51; irq <= 54; irq++) {
        char path[64];

        snprintf(path, sizeof(path), "/sys/class/net/eth1/device/msi_irqs/%d", irq);
        drop(path);
    }
    put("/sys/kernel/irq/50/actions", "eth1\n");
    put("/proc/irq/50/smp_affinity_list", "0-7\n");
    examine();
    expect_change("irq-node", 0, "echo 4 > /proc/irq/50/smp_affinity_list",
                  "echo 0-7 > /proc/irq/50/smp_affinity_list");
}

Test(nic, interrupts_of_a_virtio_interface_are_its_parents)
{
    char command[256];

    snprintf(command, sizeof(command), "mv %s/sys/class/net/eth0/device/msi_irqs "
                                       "%s/sys/class/net/eth0/msi_irqs", root, root);
    cr_assert_eq(system(command), 0);
    put("/sys/kernel/irq/40/actions", "virtio2-input.0\n");
    put("/proc/irq/40/smp_affinity_list", "6\n");
    examine();
    expect_change("irq-node", 0, "echo 0 > /proc/irq/40/smp_affinity_list",
                  "echo 6 > /proc/irq/40/smp_affinity_list");
}

Test(nic, queues_that_share_a_cpu_are_spread)
{
    for (int irq = 40; irq < 44; irq++) {
        char path[64];

        snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity_list", irq);
        put(path, "1\n");
    }
    examine();
    expect_good("irq-node");
    expect_found("irq-spread", SEVERITY_WARNING, "eth0 (node 0)",
                 "the interrupts of 4 queues go to 1 CPU, 4 could share them");
    cr_expect_eq(count_changes("irq-spread"), 3);
    expect_change("irq-spread", 0, "echo 0 > /proc/irq/40/smp_affinity_list",
                  "echo 1 > /proc/irq/40/smp_affinity_list");
    expect_change("irq-spread", 2, "echo 3 > /proc/irq/43/smp_affinity_list",
                  "echo 1 > /proc/irq/43/smp_affinity_list");
}

Test(nic, irqbalance)
{
    put("/proc/812/comm", "irqbalance\n");
    examine();
    expect_found("irqbalance", SEVERITY_WARNING, "host", "irqbalance is running");
    expect_change("irqbalance", 0, "systemctl stop irqbalance", "systemctl start irqbalance");
}

Test(nic, an_interface_without_a_node)
{
    links[1].node = MACHINE_NODE_UNKNOWN;
    examine();
    expect_found("nic-node", SEVERITY_WARNING, "eth1",
                 "the firmware does not say which node it is on");
    expect_by_hand("nic-node", 1, "until the next boot the kernel can be told: echo NODE > "
                                  "/sys/class/net/eth1/device/numa_node");
}

Test(nic, one_node_has_nothing_to_place)
{
    machine.nnodes = 1;
    nodes[0].cpus = (cpu_set_t){0};
    for (int cpu = 0; cpu < 8; cpu++)
        CPU_SET(cpu, &nodes[0].cpus);
    links[1].node = 0;
    put("/proc/sys/net/core/rps_sock_flow_entries", "32768\n");
    put("/proc/irq/51/smp_affinity_list", "0\n");
    examine();
    expect_absent("irq-node");
    expect_absent("nic-node");
    expect_absent("rfs");
    expect_absent("numa-balancing");
    expect_absent("bond-members");
}

Test(nic, an_interface_that_is_down_is_left_alone)
{
    links[1].up = false;
    put("/proc/irq/51/smp_affinity_list", "0\n");
    examine();
    expect_good("irq-node");
}

Test(nic, a_queue_for_each_cpu_of_the_node)
{
    made[0].channels.combined = 2;
    examine();
    expect_found("rss-queues", SEVERITY_WARNING, "eth0 (node 0)",
                 "2 receive queues for 4 CPUs of its node, the driver allows 63");
    expect_change("rss-queues", 0, "ethtool -L eth0 combined 4", "ethtool -L eth0 combined 2");
}

Test(nic, more_queues_than_cpus_is_advice)
{
    made[1].channels.combined = 63;
    made[1].table_size = 0;
    examine();
    expect_found("rss-queues", SEVERITY_ADVICE, "eth1 (node 1)",
                 "63 receive queues for 4 CPUs of its node, the driver allows 63");
}

Test(nic, queues_of_each_direction)
{
    made[0].channels = (struct nic_channels){.rx = 1, .tx = 3, .rx_max = 8, .tx_max = 2};
    examine();
    expect_change("rss-queues", 0, "ethtool -L eth0 rx 4 tx 2", "ethtool -L eth0 rx 1 tx 3");
}

Test(nic, a_driver_that_allows_no_more)
{
    made[0].channels = (struct nic_channels){.combined = 2, .combined_max = 2};
    made[0].table_size = 0;
    examine();
    expect_good("rss-queues");
}

Test(nic, the_indirection_table_uses_all_queues)
{
    for (unsigned i = 0; i < 16; i++)
        made[0].table[i] = i % 2;
    examine();
    expect_found("rss-indirection", SEVERITY_WARNING, "eth0 (node 0)",
                 "of 4 queues 2 get no packets; one queue gets between 0 and 8 of 16 shares");
    expect_change("rss-indirection", 0, "ethtool -X eth0 equal 4",
                  "ethtool -X eth0 weight 8 8 0 0");
}

Test(nic, a_table_that_cannot_be_even_is_good)
{
    made[0].channels.combined = made[0].channels.combined_max = 3;
    for (unsigned i = 0; i < 16; i++)
        made[0].table[i] = i % 3;
    examine();
    expect_good("rss-indirection");
}

Test(nic, a_table_that_names_queues_that_are_not_there_says_nothing)
{
    made[0].table[3] = 1000000;
    made[1].table_size = 0;
    examine();
    expect_absent("rss-indirection");
}

Test(nic, rings)
{
    made[1].rings = (struct nic_rings){512, 1024, 2048, 8192};
    examine();
    expect_found("ring-size", SEVERITY_ADVICE, "eth1 (node 1)",
                 "rings of 512 (receive) and 1024 (transmit), the driver allows 2048 and 8192");
    expect_change("ring-size", 0, "ethtool -G eth1 rx 2048 tx 4096",
                  "ethtool -G eth1 rx 512 tx 1024");
    made[1].rings = (struct nic_rings){8192, 4096, 8192, 8192};
    examine();
    expect_good("ring-size");
}

Test(nic, segmentation_that_is_off)
{
    *feature_of(0, "tx-tcp-segmentation") = (struct nic_feature){.available = true};
    examine();
    expect_found("offload", SEVERITY_PROBLEM, "eth0 (node 0)",
                 "TCP segmentation (tx-tcp-segmentation) is off");
    expect_change("offload", 0, "ethtool -K eth0 tx-tcp-segmentation on",
                  "ethtool -K eth0 tx-tcp-segmentation off");
}

// The driver of a virtual interface drops segmentation when its host sums no checksums.
Test(nic, a_feature_that_is_on_but_waits_for_another_is_no_finding)
{
    feature_of(0, "tx-tcp-segmentation")->active = false;
    examine();
    expect_good("offload");
}

Test(nic, what_the_hardware_cannot_is_no_finding)
{
    *feature_of(0, "rx-gro") = (struct nic_feature){0};
    *feature_of(0, "tls-hw-tx-offload") = (struct nic_feature){0};
    examine();
    expect_good("offload");
    expect_good("offload-tls");
}

Test(nic, checksums_by_either_way)
{
    *feature_of(1, "tx-checksum-ip-generic") = (struct nic_feature){.available = true};
    examine();
    expect_change("offload-checksum", 0, "ethtool -K eth1 tx-checksum-ip-generic on",
                  "ethtool -K eth1 tx-checksum-ip-generic off");
    made[1].features[6] = (struct made_feature){"tx-checksum-ipv4", {.available = true}};
    examine();
    expect_change("offload-checksum", 0, "ethtool -K eth1 tx-checksum-ipv4 on",
                  "ethtool -K eth1 tx-checksum-ipv4 off");
}

Test(nic, large_receive_offload_and_tls)
{
    *feature_of(0, "rx-lro") = (struct nic_feature){true, true, true};
    *feature_of(1, "tls-hw-tx-offload") = (struct nic_feature){.available = true};
    examine();
    expect_change("offload-lro", 0, "ethtool -K eth0 rx-lro off", "ethtool -K eth0 rx-lro on");
    expect_found("offload-tls", SEVERITY_ADVICE, "eth1 (node 1)",
                 "TLS encryption by the interface (tls-hw-tx-offload) is off");
    expect_change("offload-tls", 0, "ethtool -K eth1 tls-hw-tx-offload on",
                  "ethtool -K eth1 tls-hw-tx-offload off");
}

Test(nic, a_name_that_is_a_command_is_quoted_and_not_run)
{
    snprintf(links[0].name, sizeof(links[0].name), "a;reboot\x1b[");
    made[0].channels.combined = 2;
    examine();
    const struct change *c = only("rss-queues")->changes;
    char *text = step_shell(&c->apply);
    cr_expect_str_eq(text, "ethtool -L $'a;reboot\\x1b[' combined 4");
    free(text);
    cr_expect_not(step_allowed(&c->apply));
}

Test(nic, rps_on_another_node_is_a_problem)
{
    put("/sys/class/net/eth0/queues/rx-1/rps_cpus", "f0\n");
    examine();
    expect_found("rps", SEVERITY_PROBLEM, "eth0 (node 0)",
                 "RPS moves the packets of hardware queues to other CPUs");
    cr_expect_eq(count_changes("rps"), 1);
    expect_change("rps", 0, "echo 0 > /sys/class/net/eth0/queues/rx-1/rps_cpus",
                  "echo f0 > /sys/class/net/eth0/queues/rx-1/rps_cpus");
}

Test(nic, rps_where_there_are_queues_is_advice)
{
    put("/sys/class/net/eth0/queues/rx-2/rps_cpus", "00000000,0000000f\n");
    examine();
    cr_expect_eq(only("rps")->severity, SEVERITY_ADVICE);
    expect_change("rps", 0, "echo 0 > /sys/class/net/eth0/queues/rx-2/rps_cpus",
                  "echo 00000000,0000000f > /sys/class/net/eth0/queues/rx-2/rps_cpus");
}

static void single_queue(void)
{
    for (int q = 1; q < 4; q++) {
        char command[160];

        snprintf(command, sizeof(command), "rm -r %s/sys/class/net/eth1/queues/?x-%d", root, q);
        cr_assert_eq(system(command), 0);
    }
    made[1].channels = (struct nic_channels){.combined = 1, .combined_max = 1};
}

Test(nic, rps_helps_an_interface_with_one_queue)
{
    single_queue();
    examine();
    expect_found("rps", SEVERITY_ADVICE, "eth1 (node 1)",
                 "one receive queue for 4 CPUs, and RPS does not spread its packets");
    expect_change("rps", 0, "echo f0 > /sys/class/net/eth1/queues/rx-0/rps_cpus",
                  "echo 00 > /sys/class/net/eth1/queues/rx-0/rps_cpus");
    expect_change("rps", 1, "sysctl -w net.core.netdev_max_backlog=4096",
                  "sysctl -w net.core.netdev_max_backlog=1000");
    expect_absent("backlog");
    put("/sys/class/net/eth1/queues/rx-0/rps_cpus", "f0\n");
    examine();
    expect_good("rps");
    expect_found("backlog", SEVERITY_ADVICE, "network",
                 "netdev_max_backlog is 1000 while RPS is in use");
    expect_change("backlog", 0, "sysctl -w net.core.netdev_max_backlog=4096",
                  "sysctl -w net.core.netdev_max_backlog=1000");
}

Test(nic, rfs_follows_the_reader_to_any_node)
{
    put("/proc/sys/net/core/rps_sock_flow_entries", "32768\n");
    examine();
    expect_good("rfs");
    put("/sys/class/net/eth1/queues/rx-3/rps_flow_cnt", "2048\n");
    examine();
    expect_found("rfs", SEVERITY_WARNING, "network", "RFS is on (rps_sock_flow_entries is 32768)");
    expect_change("rfs", 0, "sysctl -w net.core.rps_sock_flow_entries=0",
                  "sysctl -w net.core.rps_sock_flow_entries=32768");
}

Test(nic, each_cpu_has_a_transmit_queue)
{
    for (int q = 0; q < 4; q++) {
        char path[128];

        snprintf(path, sizeof(path), "/sys/class/net/eth1/queues/tx-%d/xps_cpus", q);
        put(path, "%s\n", q < 2 ? "00" : ALL_CPUS);
    }
    examine();
    expect_found("xps", SEVERITY_WARNING, "eth1 (node 1)",
                 "the 4 transmit queues are not dealt out to the 4 CPUs of its node");
    cr_expect_eq(count_changes("xps"), 4);
    expect_change("xps", 0, "echo 10 > /sys/class/net/eth1/queues/tx-0/xps_cpus",
                  "echo 00 > /sys/class/net/eth1/queues/tx-0/xps_cpus");
    expect_change("xps", 3, "echo 80 > /sys/class/net/eth1/queues/tx-3/xps_cpus",
                  "echo ff > /sys/class/net/eth1/queues/tx-3/xps_cpus");
}

Test(nic, fewer_transmit_queues_than_cpus_are_shared)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -r %s/sys/class/net/eth0/queues/tx-[23]", root);
    cr_assert_eq(system(command), 0);
    examine();
    cr_expect_eq(count_changes("xps"), 2);
    expect_change("xps", 0, "echo 5 > /sys/class/net/eth0/queues/tx-0/xps_cpus",
                  "echo 01 > /sys/class/net/eth0/queues/tx-0/xps_cpus");
    expect_change("xps", 1, "echo a > /sys/class/net/eth0/queues/tx-1/xps_cpus",
                  "echo 02 > /sys/class/net/eth0/queues/tx-1/xps_cpus");
}

Test(nic, files_of_nonsense_say_nothing)
{
    put("/sys/class/net/eth0/queues/rx-0/rps_cpus", "xyzzy\n");
    put("/sys/class/net/eth0/queues/tx-0/xps_cpus", "123456789\n");
    put("/proc/irq/40/smp_affinity_list", "7-3\n");
    put("/proc/irq/41/smp_affinity_list", "%5000d\n", 3);
    put("/sys/kernel/irq/42/actions", "-TxRx-99999999999999\n");
    examine();
    expect_good("rps");
    expect_good("xps");
    expect_good("irq-node");
}
