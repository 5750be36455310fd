// SPDX-License-Identifier: Apache-2.0
//
// What is found about bonds.
#include "test/unit/server/doctor/expect.h"

TestSuite(bond, .init = doctor_setup, .fini = doctor_teardown);

Test(bond, modes_that_leave_members_idle)
{
    links[2].bond_mode = 1;
    examine();
    expect_found("bond-mode", SEVERITY_PROBLEM, "bond0", "mode active-backup over 2 members");
    expect_by_hand("bond-mode", 1, "ip link set eth0 down; ip link set eth0 nomaster");
    expect_by_hand("bond-mode", 4, "ip link set bond0 type bond mode 802.3ad miimon 100 "
                                   "lacp_rate fast xmit_hash_policy layer3+4");
    expect_by_hand("bond-mode", 6, "ip link set eth1 master bond0");
    expect_by_hand("bond-mode", 8, "and back: the same with `mode active-backup`");
    expect_absent("bond-hash");
    expect_absent("bond-lacp-rate");
    expect_absent("bond-aggregate");
}

Test(bond, a_static_aggregate_is_advice)
{
    links[2].bond_mode = 2;
    examine();
    cr_expect_eq(only("bond-mode")->severity, SEVERITY_ADVICE);
    expect_good("bond-hash");
}

Test(bond, a_single_member_needs_no_mode)
{
    links[2].bond_mode = 1;
    links[1].master = 0;
    examine();
    expect_good("bond-mode");
}

Test(bond, layer2_sends_everything_to_a_router_by_one_member)
{
    links[2].bond_policy = 0;
    put("/sys/class/net/bond0/bonding/xmit_hash_policy", "layer2 0\n");
    examine();
    expect_found("bond-hash", SEVERITY_PROBLEM, "bond0", "xmit_hash_policy is layer2");
    expect_change("bond-hash", 0, "echo layer3+4 > /sys/class/net/bond0/bonding/xmit_hash_policy",
                  "echo layer2 > /sys/class/net/bond0/bonding/xmit_hash_policy");
}

Test(bond, layer23_is_advice)
{
    links[2].bond_policy = 2;
    examine();
    expect_found("bond-hash", SEVERITY_ADVICE, "bond0", "xmit_hash_policy is layer2+3");
}

Test(bond, a_policy_of_a_newer_kernel_is_left_alone)
{
    links[2].bond_policy = 99;
    examine();
    expect_good("bond-hash");
}

Test(bond, lacp_rate_needs_the_bond_down)
{
    links[2].lacp_fast = false;
    examine();
    expect_found("bond-lacp-rate", SEVERITY_ADVICE, "bond0", "lacp_rate is slow");
    cr_expect_null(only("bond-lacp-rate")->changes);
    expect_by_hand("bond-lacp-rate", 1, "ip link set bond0 down; ip link set bond0 type bond "
                                        "lacp_rate fast; ip link set bond0 up");
}

Test(bond, links_that_nobody_watches)
{
    put("/sys/class/net/bond0/bonding/miimon", "0\n");
    examine();
    expect_found("bond-miimon", SEVERITY_PROBLEM, "bond0", "miimon is 0, links are not watched");
    expect_change("bond-miimon", 0, "echo 100 > /sys/class/net/bond0/bonding/miimon",
                  "echo 0 > /sys/class/net/bond0/bonding/miimon");
    put("/sys/class/net/bond0/bonding/arp_interval", "200\n");
    examine();
    expect_good("bond-miimon");
}

Test(bond, a_node_without_a_member)
{
    links[1].master = 0;
    examine();
    expect_found("bond-members", SEVERITY_WARNING, "bond0", "node 1 has CPUs and no member");
    nodes[1].cpus = (cpu_set_t){0};
    examine();
    expect_absent("bond-members");
}

Test(bond, members_of_unknown_nodes_prove_nothing)
{
    links[1].node = MACHINE_NODE_UNKNOWN;
    examine();
    expect_absent("bond-members");
}

Test(bond, a_member_outside_of_the_aggregate)
{
    links[1].transmits = false;
    examine();
    expect_found("bond-aggregate", SEVERITY_WARNING, "eth1",
                 "up, but not in the aggregate that bond0 uses");
    links[1].up = false;
    examine();
    expect_good("bond-aggregate");
}
