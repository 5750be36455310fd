// SPDX-License-Identifier: Apache-2.0
//
// What the start-up log says about machines that are made up.
#include "test/unit/server/report/machine_fixture.h"

static char said[32][1024];
static unsigned nsaid;

static void hear(void *context, const char *text)
{
    cr_assert_eq(context, said);
    cr_assert_lt(nsaid, 32);
    snprintf(said[nsaid++], sizeof(said[0]), "%s", text);
}

static void describe(const char *allowed, int64_t workers)
{
    nsaid = 0;
    make_plan(allowed, workers);
    topology_describe_plan(&made, &made_topo, &made_plan, hear, said);
    free_plan();
}

static void expect_lines(const char *const *lines)
{
    unsigned i = 0;

    for (; lines[i] != NULL; i++)
        cr_expect_str_eq(i < nsaid ? said[i] : "nothing", lines[i]);
    cr_expect_eq(nsaid, i, "one line more: %s", i < nsaid ? said[i] : "");
}

#define EXPECT_LINES(...) expect_lines((const char *const[]){__VA_ARGS__, NULL})

Test(topology_notes, two_even_nodes_have_nothing_odd)
{
    make_two_sockets();
    describe(NULL, 0);
    EXPECT_LINES("silo 0: node 0, CPUs 0-3, 4 workers, NIC eth0",
                 "silo 1: node 1, CPUs 4-7, 4 workers, NIC eth1");
}

Test(topology_notes, a_single_node_without_nics)
{
    add_node(0, "0-1", 4);
    describe(NULL, 1);
    EXPECT_LINES("silo 0: node 0, CPUs 0-1, 1 worker");
}

Test(topology_notes, several_nics_and_one_that_is_down)
{
    make_two_sockets();
    add_link("eth2", LINK_PHYSICAL, 0)->up = false;
    describe(NULL, 0);
    EXPECT_LINES("silo 0: node 0, CPUs 0-3, 4 workers, NICs eth0 eth2 (down)",
                 "silo 1: node 1, CPUs 4-7, 4 workers, NIC eth1");
}

Test(topology_notes, unequal_nodes)
{
    add_node(0, "0-5", 64);
    add_node(1, "6-7", 64);
    describe(NULL, 4);
    EXPECT_LINES("silo 0: node 0, CPUs 0-5, 3 workers", "silo 1: node 1, CPUs 6-7, 1 worker");
}

Test(topology_notes, a_node_without_cpus)
{
    add_node(0, "0-3", 64);
    add_node(1, "", 256);
    add_link("eth0", LINK_PHYSICAL, 0);
    describe(NULL, 0);
    EXPECT_LINES("silo 0: node 0, CPUs 0-3, 4 workers, NIC eth0",
                 "node 1 has no CPUs: no silo there");
}

Test(topology_notes, a_node_without_cpus_that_has_the_nic)
{
    add_node(0, "0-3", 64);
    add_node(1, "", 256);
    add_link("eth0", LINK_PHYSICAL, 1);
    describe(NULL, 0);
    EXPECT_LINES("silo 0: node 0, CPUs 0-3, 4 workers, no NIC",
                 "node 0 has CPUs but no NIC: what its silo serves crosses to another node; "
                 "\"silo\" lines can give its CPUs to a node that has one",
                 "node 1 has no CPUs: no silo there",
                 "node 1 has NICs but no silo: what they carry crosses to another node");
}

Test(topology_notes, a_node_without_nic)
{
    make_two_sockets();
    add_node(2, "8-9", 64);
    describe(NULL, 0);
    EXPECT_LINES("silo 0: node 0, CPUs 0-3, 4 workers, NIC eth0",
                 "silo 1: node 1, CPUs 4-7, 4 workers, NIC eth1",
                 "silo 2: node 2, CPUs 8-9, 2 workers, no NIC",
                 "node 2 has CPUs but no NIC: what its silo serves crosses to another node; "
                 "\"silo\" lines can give its CPUs to a node that has one");
}

Test(topology_notes, a_node_whose_only_nic_is_down)
{
    make_two_sockets();
    made.links[2].up = false;
    describe(NULL, 0);
    EXPECT_LINES("silo 0: node 0, CPUs 0-3, 4 workers, NIC eth0",
                 "silo 1: node 1, CPUs 4-7, 4 workers, NIC eth1 (down)",
                 "node 1 has no NIC that is up: what its silo serves crosses to another node");
}

Test(topology_notes, a_node_without_memory)
{
    make_two_sockets();
    made.nodes[1].memory = 0;
    describe(NULL, 0);
    cr_assert_eq(nsaid, 3);
    cr_expect_str_eq(said[2], "node 1 has no memory: its silo gets it from other nodes");
}

Test(topology_notes, a_cpuset_that_excludes_a_node)
{
    make_two_sockets();
    describe("0-1", 0);
    EXPECT_LINES("silo 0: node 0, CPUs 0-1, 2 workers, NIC eth0",
                 "node 0: of its CPUs 0-3 only 0-1 are in the cpuset",
                 "node 1 is outside the cpuset: no silo there",
                 "node 1 has NICs but no silo: what they carry crosses to another node");
}

Test(topology_notes, fewer_workers_than_nodes)
{
    make_two_sockets();
    describe(NULL, 1);
    EXPECT_LINES("silo 0: node 0, CPUs 0-3, 1 worker, NIC eth0",
                 "node 1: no silo uses its CPUs 4-7",
                 "node 1 has NICs but no silo: what they carry crosses to another node");
}

Test(topology_notes, one_silo_for_all_nodes_is_what_was_asked_for)
{
    make_two_sockets();
    made_conf.silos = SILOS_NONE;
    describe(NULL, 0);
    EXPECT_LINES("silo 0: CPUs 0-7, 8 workers");
}

Test(topology_notes, silos_without_a_node_want_nothing_of_one)
{
    struct silo_line second = {.node = -1}, first = {.node = -1, .next = &second};

    make_two_sockets();
    made.links[2].node = 0;
    parse_cpus("0-3", &first.cpus);
    parse_cpus("4-7", &second.cpus);
    made_conf.silo_lines = &first;
    describe(NULL, 0);
    EXPECT_LINES("silo 0: CPUs 0-3, 4 workers", "silo 1: CPUs 4-7, 4 workers");
}

Test(topology_notes, a_quota)
{
    make_two_sockets();
    make_plan(NULL, 3);
    made_topo.quota = 3;
    topology_describe_plan(&made, &made_topo, &made_plan, hear, said);
    cr_assert_eq(nsaid, 3);
    cr_expect_str_eq(said[2], "the control group gives the time of 3 of 8 CPUs");
    free_plan();
}

Test(topology_notes, a_silo_written_across_nodes_and_cpus_left_out)
{
    struct silo_line first = {.node = 0};

    make_two_sockets();
    parse_cpus("0-1,4", &first.cpus);
    made_conf.silo_lines = &first;
    describe(NULL, 0);
    EXPECT_LINES("silo 0: node 0, CPUs 0-1,4, 3 workers, NIC eth0",
                 "silo 0: CPUs 4 are not on its node 0", "node 0: no silo uses its CPUs 2-3",
                 "node 1: no silo uses its CPUs 5-7",
                 "node 1 has NICs but no silo: what they carry crosses to another node");
}

Test(topology_notes, a_nic_without_a_node)
{
    make_two_sockets();
    add_link("usb0", LINK_PHYSICAL, MACHINE_NODE_UNKNOWN);
    describe(NULL, 0);
    cr_assert_eq(nsaid, 3);
    cr_expect_str_eq(said[2], "NIC usb0 does not say on which node it is: the CPU that takes its "
                              "packets counts");
}

Test(topology_notes, many_nics_do_not_overflow_a_line)
{
    static struct machine_link many[500];

    add_node(0, "0", 1);
    add_node(1, "1", 1);
    made.links = many;
    for (int i = 0; i < 500; i++) {
        struct machine_link *l = add_link("", LINK_PHYSICAL, 0);

        snprintf(l->name, sizeof(l->name), "eth%d", i);
    }
    describe(NULL, 0);
    cr_expect_lt(strlen(said[0]), 1000);
    cr_expect(strstr(said[0], "eth0 eth1 ") != NULL);
}
