// SPDX-License-Identifier: Apache-2.0
//
// The picture as a table and as JSON, of machines that are made up.
#include "server/report/topology_priv.h"
#include "test/unit/server/report/machine_fixture.h"

static char *output;
static size_t output_size;

typedef int print_function(const struct topology_view *v, FILE *out);

static void show(print_function *print, bool can_bpf, bool can_napi)
{
    struct topology_view v = {.machine = &made,
                              .topo = &made_topo,
                              .plan = &made_plan,
                              .conf = &made_conf,
                              .configuration = "/etc/x.conf"};

    make_plan(NULL, 0);
    topology_steering(&made, &made_plan, can_bpf, can_napi, &v.steering);
    FILE *out = open_memstream(&output, &output_size);
    cr_assert_not_null(out);
    cr_expect_eq(print(&v, out), 0);
    fclose(out);
    free_plan();
}

static void expect(const char *text)
{
    cr_expect(strstr(output, text) != NULL, "no \"%s\" in:\n%s", text, output);
}

static void expect_not(const char *text)
{
    cr_expect(strstr(output, text) == NULL, "\"%s\" in:\n%s", text, output);
}

static void teardown(void)
{
    free(output);
}

TestSuite(topology, .fini = teardown);

Test(topology, the_table_has_a_row_for_each_node)
{
    make_two_sockets();
    add_disk("nvme2n1", 1);
    show(topology_print_table, true, true);
    expect("node  CPUs  memory  NICs                          disks    silos\n"
           "0     0-3   64 GiB  eth0 25 Gb/s (bond0 bond0.7)  nvme0n1  "
           "silo 0: CPUs 0-3, 4 workers\n"
           "1     4-7   64 GiB  eth1 25 Gb/s (bond0 bond0.7)  nvme1n1  "
           "silo 1: CPUs 4-7, 4 workers\n"
           "                                                  nvme2n1\n"
           "\n");
    expect("bond0      bond, 802.3ad, layer3+4, LACP fast  eth0 (node 0), eth1 (node 1)\n");
    expect("bond0.7    VLAN 7 of bond0                     eth0 (node 0), eth1 (node 1)\n");
    expect_not("\nlo ");
    expect("Configuration: /etc/x.conf (silos auto; 8 workers)\n");
    expect("Steering: eBPF, by cpu and node: ");
    expect("After accept: the node is found by the NAPI id");
    expect("  silo 1: node 1, CPUs 4-7, 4 workers, NIC eth1\n");
}

Test(topology, the_table_shows_what_is_odd)
{
    make_two_sockets();
    add_node(2, "", 0);
    made.links[2].up = made.links[2].transmits = false;
    add_link("usb0", LINK_PHYSICAL, MACHINE_NODE_UNKNOWN)->speed = -1;
    show(topology_print_table, false, false);
    expect("eth1 down (bond0 bond0.7)");
    expect("eth1 (node 1, sends nothing)");
    expect("2     none  none\n");
    expect("any                 usb0 speed unknown\n");
    expect("Steering: classic BPF, by cpu: ");
    expect("After accept: the node is found by the CPU that took the packets");
    expect("  node 2 has no CPUs: no silo there\n");
}

Test(topology, one_silo_has_nothing_to_steer)
{
    struct topology_steering s;

    make_two_sockets();
    make_plan(NULL, 1);
    topology_steering(&made, &made_plan, true, true, &s);
    cr_expect_str_eq(s.kind, "hash");
    cr_expect_str_eq(s.by, "flow");
    cr_expect_null(s.after);
    cr_expect(strstr(s.why, "nothing to steer") != NULL);
    free_plan();
}

Test(topology, names_cannot_play_with_the_terminal)
{
    make_two_sockets();
    strcpy(made.links[1].name, "e\033[2J\n");
    show(topology_print_table, true, true);
    expect("e?[2J? 25 Gb/s");
}

Test(topology, json_has_the_documented_shape)
{
    make_two_sockets();
    add_link("usb0", LINK_PHYSICAL, MACHINE_NODE_UNKNOWN)->speed = -1;
    show(topology_print_json, true, true);
    expect("{\n  \"schema\": 1,\n  \"root\": \"/captured\",\n"
           "  \"configuration\": \"/etc/x.conf\",\n");
    expect("    {\n      \"node\": 1,\n      \"cpus\": \"4-7\",\n      \"allowed_cpus\": \"4-7\",\n"
           "      \"memory_bytes\": 68719476736\n    }");
    expect("\"bond\": {\n        \"mode\": \"802.3ad\",\n        \"xmit_hash_policy\": "
           "\"layer3+4\",\n        \"lacp_rate\": \"fast\"\n      }");
    expect("\"name\": \"usb0\",\n      \"index\": 6,\n      \"kind\": \"physical\",\n"
           "      \"node\": null,\n      \"up\": true,\n      \"speed_mbps\": null");
    expect("\"vlan\": 7,");
    expect("\"lower\": \"bond0\"");
    expect("      \"silo\": 1,\n      \"node\": 1,\n      \"cpus\": \"4-7\",\n"
           "      \"workers\": 4,\n      \"first_worker\": 4\n");
    expect("\"quota_cpus\": null");
    expect("\"file_systems\": []");
    expect("\"after_accept\": \"napi\"");
}

// Whole reader of JSON would be long; python's reads this output in test/http/test_topology.py.
Test(topology, json_escapes_what_a_name_may_hold)
{
    make_two_sockets();
    strcpy(made.links[1].name, "\"\\\n\x7f\xff\xc3\xa9");
    show(topology_print_json, true, true);
    expect("\"name\": \"\\\"\\\\\\u000a\\u007f\\ufffd\xc3\xa9\"");
}

Test(topology, words_for_what_nobody_knows)
{
    char speed[32];

    cr_expect_str_eq(topology_bond_mode(-1), "unknown");
    cr_expect_str_eq(topology_bond_mode(99), "unknown");
    cr_expect_str_eq(topology_bond_policy(BOND_XMIT_POLICY_VLAN_SRCMAC), "vlan+srcmac");
    topology_speed(100, speed, sizeof(speed));
    cr_expect_str_eq(speed, "100 Mb/s");
    topology_speed(2500, speed, sizeof(speed));
    cr_expect_str_eq(speed, "2.5 Gb/s");
}
