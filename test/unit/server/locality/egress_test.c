// SPDX-License-Identifier: Apache-2.0
//
// Predictions and marks on machines that are made up. That the kernel does so, the lab shows.
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <net/if.h> // before the kernel's own header of that name
#include <linux/if_bonding.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net/bond.h"
#include "server/locality/egress_priv.h"
#include "test/unit/support/address.h"

enum { LO = 1, ETH0, ETH1, ETH2, ETH3, MANAGEMENT, BOND, VLAN10, VLAN20, BRIDGE, TAP, FAR = 300 };

static struct machine_link links[16];
static struct machine machine;
static struct route_table routes;
static struct neighbour_table neighbours;
static struct egress *egress;

static struct machine_link *link_of(int index)
{
    for (unsigned i = 0; i < machine.nlinks; i++) {
        if (links[i].index == index)
            return &links[i];
    }
    return NULL;
}

static struct machine_link *put_link(int index, enum link_kind kind, int node)
{
    struct machine_link *l = &links[machine.nlinks++];

    *l = (struct machine_link){.index = index, .kind = kind, .node = node, .up = true,
                               .mac = {2, 0, 0, 0, 0, (uint8_t)index}};
    snprintf(l->name, sizeof(l->name), "if%d", index);
    return l;
}

static void put_member(int index, int node, unsigned position)
{
    struct machine_link *l = put_link(index, LINK_PHYSICAL, node);

    l->master = BOND;
    l->position = position;
    l->transmits = true;
}

static void put_route(const char *prefix, unsigned bits, int link, const char *gateway)
{
    struct net_address a = address(prefix, 0);
    bool four = a.sa.sa_family == AF_INET;
    struct route r = {.nhops = 1, .hops[0].link = link};

    route_set_prefix(&r, four ? (void *)&a.in.sin_addr : (void *)&a.in6.sin6_addr, four ? 4 : 16,
                     bits);
    if (gateway != NULL) {
        r.hops[0].family = a.sa.sa_family;
        inet_pton(a.sa.sa_family, gateway, r.hops[0].gateway);
    }
    cr_assert_eq(route_add(four ? &routes.v4 : &routes.v6, &r), 0);
}

static void put_neighbour(int link, const char *text, uint8_t last)
{
    struct neighbour n = {.link = link, .family = AF_INET, .mac = {2, 0, 0, 0, 1, last}};

    inet_pton(AF_INET, text, n.address);
    cr_assert_eq(neighbour_add(&neighbours, &n), 0);
}

// A bond of four interfaces on two nodes, listed in another order than the bond's, and a single
// interface for management. A VLAN, a VLAN on it, and a bridge on the bond are there too.
static void setup(void)
{
    machine = (struct machine){.links = links};
    put_link(LO, LINK_VIRTUAL, MACHINE_NODE_UNKNOWN);
    put_member(ETH0, 0, 2);
    put_member(ETH1, 0, 0);
    put_member(ETH2, 1, 3);
    put_member(ETH3, 1, 1);
    put_link(MANAGEMENT, LINK_PHYSICAL, 1);
    struct machine_link *bond = put_link(BOND, LINK_BOND, MACHINE_NODE_UNKNOWN);
    bond->bond_mode = BOND_MODE_8023AD;
    bond->bond_policy = BOND_XMIT_POLICY_LAYER34;
    struct machine_link *vlan = put_link(VLAN10, LINK_VLAN, MACHINE_NODE_UNKNOWN);
    vlan->lower = BOND;
    vlan->vlan = 10;
    vlan = put_link(VLAN20, LINK_VLAN, MACHINE_NODE_UNKNOWN);
    vlan->lower = VLAN10;
    vlan->vlan = 20;
    put_route("10.0.0.0", 8, BOND, NULL);
    put_route("0.0.0.0", 0, BOND, "10.0.0.254");
    put_route("10.77.0.0", 16, MANAGEMENT, NULL);
    put_route("10.10.0.0", 16, VLAN10, NULL);
    put_route("10.20.0.0", 16, VLAN20, NULL);
    put_route("10.0.0.1", 32, 0, NULL);
    put_route("fd09::", 16, BOND, NULL);
}

static void teardown(void)
{
    egress_free(egress);
    route_free(&routes);
    neighbour_free(&neighbours);
}

TestSuite(egress, .init = setup, .fini = teardown);

static void make(void)
{
    cr_assert_eq(route_sort(&routes.v4), 0);
    cr_assert_eq(route_sort(&routes.v6), 0);
    neighbour_sort(&neighbours);
    cr_assert_eq(egress_make_with(&machine, &routes, &neighbours, &egress), 0);
}

static struct egress_answer answer_of(const char *remote, uint16_t port)
{
    struct net_address to = address(remote, port);
    struct net_address from = address(to.sa.sa_family == AF_INET ? "10.0.0.1" : "fd09::1", 443);
    struct egress_answer answer = {.link = -7};
    bool known = egress_predict(egress, &from, &to, &answer);

    cr_assert_eq(known, answer.link != 0, "an unknown one is said to be interface 0");
    return answer;
}

static int predict(const char *remote, uint16_t port)
{
    return answer_of(remote, port).link;
}

// The bond's hash is tested elsewhere; here, what is made of it.
static uint32_t hash34(const char *remote, uint16_t port)
{
    struct net_address from = address("10.0.0.1", 443), to = address(remote, port);
    struct bond_flow flow;
    uint32_t hash;

    cr_assert(bond_flow_set(&flow, &from, &to));
    cr_assert_eq(bond_hash(BOND_XMIT_POLICY_LAYER34, &flow, &hash), 0);
    return hash;
}

Test(egress, member_is_counted_in_the_order_of_the_bond)
{
    static const int order[] = {ETH1, ETH3, ETH0, ETH2};
    static const int node[] = {0, 1, 0, 1};

    make();
    for (uint16_t port = 1000; port < 1200; port++) {
        unsigned nth = hash34("10.3.4.5", port) % 4;
        struct egress_answer answer = answer_of("10.3.4.5", port);
        cr_expect_eq(answer.link, order[nth]);
        cr_expect_eq(answer.node, node[nth]);
        cr_expect_eq(answer.member, nth);
    }
}

Test(egress, member_that_does_not_transmit_is_not_counted)
{
    static const int order[] = {ETH1, ETH0, ETH2};

    link_of(ETH3)->transmits = false;
    make();
    for (uint16_t port = 1000; port < 1200; port++)
        cr_expect_eq(predict("8.8.8.8", port), order[hash34("8.8.8.8", port) % 3]);
    cr_expect(egress_node_markable(egress, 1), "its other member is left");
}

Test(egress, single_interface_is_itself)
{
    make();
    struct egress_answer answer = answer_of("10.77.1.1", 5);
    cr_expect_eq(answer.link, MANAGEMENT);
    cr_expect_eq(answer.node, 1);
    cr_expect_eq(answer.member, 0);
}

Test(egress, interfaces_of_large_index_are_found_too)
{
    for (int i = 0; i < 3; i++) {
        put_link(FAR + i, LINK_PHYSICAL, i);
        put_route(i == 0 ? "10.90.0.0" : i == 1 ? "10.91.0.0" : "10.92.0.0", 16, FAR + i, NULL);
    }
    make();
    cr_expect_eq(answer_of("10.90.0.1", 1).node, 0);
    cr_expect_eq(predict("10.91.0.1", 1), FAR + 1);
    cr_expect_eq(predict("10.92.0.1", 1), FAR + 2);
}

Test(egress, vlan_changes_nothing_for_layer34)
{
    static const int order[] = {ETH1, ETH3, ETH0, ETH2};

    make();
    for (uint16_t port = 1000; port < 1100; port++)
        cr_expect_eq(predict("10.10.0.9", port), order[hash34("10.10.0.9", port) % 4]);
}

Test(egress, vlan_on_a_vlan_hashes_macs)
{
    static const int order[] = {ETH1, ETH3, ETH0, ETH2};

    put_neighbour(VLAN20, "10.20.0.9", 0x45);
    make();
    for (uint16_t port = 1000; port < 1100; port++)
        cr_expect_eq(predict("10.20.0.9", port), order[(VLAN20 ^ 0x45 ^ ETH_P_8021Q) % 4]);
    cr_expect_not(egress_stale(egress));
}

Test(egress, layer2_goes_by_the_next_hop)
{
    static const int order[] = {ETH1, ETH3, ETH0, ETH2};

    link_of(BOND)->bond_policy = BOND_XMIT_POLICY_LAYER2;
    put_neighbour(BOND, "10.0.0.254", 0x31);
    put_neighbour(BOND, "10.3.4.5", 0x32);
    put_neighbour(VLAN10, "10.3.4.6", 0x33);
    make();
    cr_expect_eq(predict("8.8.8.8", 1), order[(BOND ^ 0x31 ^ ETH_P_IP) % 4], "the gateway");
    cr_expect_eq(predict("10.3.4.5", 1), order[(BOND ^ 0x32 ^ ETH_P_IP) % 4], "the host itself");
    cr_expect_not(egress_stale(egress));
    cr_expect_eq(predict("10.3.4.6", 1), 0, "known on another interface only");
    cr_expect(egress_stale(egress));
}

Test(egress, mapped_addresses_go_by_routes_and_neighbours_of_ipv4)
{
    struct net_address from = address("::ffff:10.0.0.1", 443), to = address("::ffff:10.3.4.5", 9);
    struct egress_answer answer;

    link_of(BOND)->bond_policy = BOND_XMIT_POLICY_LAYER2;
    put_neighbour(BOND, "10.3.4.5", 0x32);
    make();
    cr_assert(egress_predict(egress, &from, &to, &answer));
    cr_expect_eq(answer.link, predict("10.3.4.5", 9));
}

Test(egress, nothing_is_said_of_what_does_not_leave)
{
    struct net_address path = {.un = {.sun_family = AF_UNIX}, .len = 2}, to;
    struct net_address from = address("10.0.0.1", 443);
    struct egress_answer answer;

    put_route("127.0.0.0", 8, 0, NULL);
    put_route("10.99.0.0", 16, LO, NULL);
    put_route("10.98.0.0", 16, FAR, NULL);
    make();
    cr_expect_eq(predict("10.0.0.1", 1), 0, "this machine");
    cr_expect_eq(predict("127.0.0.1", 1), 0);
    cr_expect_eq(predict("10.99.0.1", 1), 0, "a virtual interface");
    cr_expect_eq(predict("10.98.0.1", 1), 0, "one that the machine has not");
    cr_expect_eq(predict("2001:db8::1", 1), 0, "no route");
    cr_expect_not(egress_predict(egress, &path, &path, &answer));
    cr_expect_eq(answer.node, MACHINE_NODE_UNKNOWN);
    to = address("fe80::1", 1);
    cr_expect_not(egress_predict(egress, &from, &to, &answer));
}

Test(egress, link_local_goes_by_its_scope)
{
    struct net_address from = address("fe80::1", 443), to = address("fe80::2", 9);
    struct egress_answer answer;

    make();
    cr_expect_not(egress_predict(egress, &from, &to, &answer));
    to.in6.sin6_scope_id = MANAGEMENT;
    cr_assert(egress_predict(egress, &from, &to, &answer));
    cr_expect_eq(answer.link, MANAGEMENT);
}

Test(egress, modes_without_a_hash_are_not_foretold_unless_one_is_left)
{
    static const int modes[] = {BOND_MODE_ROUNDROBIN, BOND_MODE_BROADCAST, BOND_MODE_TLB,
                                BOND_MODE_ALB, BOND_MODE_ACTIVEBACKUP};

    for (size_t i = 0; i < array_len(modes); i++) {
        link_of(BOND)->bond_mode = modes[i];
        struct egress e = {0};
        cr_assert_eq(egress_paths_make(&e, &machine), 0);
        cr_expect_not(egress_path_find(&e, BOND)->hashed);
        cr_expect_not(egress_node_markable(&e, 0), "mode %d", modes[i]);
        free(e.paths);
    }
    make();
    cr_expect_eq(predict("8.8.8.8", 1), 0);
    egress_free(egress);
    link_of(ETH0)->transmits = link_of(ETH1)->transmits = link_of(ETH3)->transmits = false;
    put_route("0.0.0.0", 0, BOND, NULL);
    make();
    cr_expect_eq(predict("8.8.8.8", 1), ETH2, "the active one of active-backup");
}

Test(egress, bridge_with_one_way_out)
{
    struct machine_link *tap;

    link_of(BOND)->master = BRIDGE;
    put_link(BRIDGE, LINK_BRIDGE, MACHINE_NODE_UNKNOWN);
    tap = put_link(TAP, LINK_VIRTUAL, MACHINE_NODE_UNKNOWN);
    tap->master = BRIDGE;
    put_route("10.0.0.0", 9, BRIDGE, NULL);
    make();
    cr_expect_eq(predict("10.3.4.5", 77) == 0, false);
    egress_free(egress);
    link_of(MANAGEMENT)->master = BRIDGE;
    put_route("10.0.0.0", 9, BRIDGE, NULL);
    make();
    cr_expect_eq(predict("10.3.4.5", 77), 0, "two ways: the bridge knows which");
}

Test(egress, interfaces_that_claim_to_be_below_each_other_end)
{
    link_of(VLAN10)->lower = VLAN20;
    make();
    cr_expect_eq(predict("10.10.0.9", 1), 0);
}

Test(egress, multipath_over_vlans_of_one_bond_is_foretold_for_layer34)
{
    struct route r = {.nhops = 2, .hops = {{.link = BOND}, {.link = BOND}}};
    struct in_addr in;

    inet_pton(AF_INET, "10.64.0.0", &in);
    route_set_prefix(&r, &in, 4, 16);
    r.hops[0].family = r.hops[1].family = AF_INET;
    r.hops[0].gateway[3] = 1;
    r.hops[1].gateway[3] = 2;
    cr_assert_eq(route_add(&routes.v4, &r), 0);
    make();
    cr_expect_neq(predict("10.64.1.1", 1), 0);
}

static uint32_t mark(const char *remote, uint16_t port, int node)
{
    struct net_address from = address("10.0.0.1", 443), to = address(remote, port);

    return egress_mark(egress, &from, &to, node);
}

Test(egress, marks_name_the_members_of_a_node_and_use_all)
{
    unsigned count[16] = {0};

    make();
    for (uint16_t port = 1000; port < 2000; port++) {
        struct egress_answer answer;
        uint32_t m = mark("10.3.4.5", port, 1);
        cr_assert_eq(m & ~(uint32_t)0xff, EGRESS_MARK_BASE);
        cr_assert(egress_marked(egress, m, &answer));
        cr_assert_eq(answer.node, 1);
        cr_assert_eq(m, egress_member_mark(answer.link));
        count[answer.link]++;
    }
    cr_expect_gt(count[ETH2], 400);
    cr_expect_gt(count[ETH3], 400);
}

// A switch that hashes as the bond does sends node 1 only connections whose hash is odd.
Test(egress, marks_use_all_members_although_arrival_was_hashed_alike)
{
    unsigned count[16] = {0}, all = 0;

    make();
    for (uint16_t port = 1000; port < 5000; port++) {
        struct egress_answer answer = answer_of("10.3.4.5", port);
        if (answer.link != ETH2)
            continue;
        all++;
        count[mark("10.3.4.5", port, 1) - EGRESS_MARK_BASE]++;
    }
    cr_expect_gt(count[ETH2], all / 3);
    cr_expect_gt(count[ETH3], all / 3);
}

Test(egress, node_without_a_member_has_no_mark)
{
    struct egress_answer answer;

    make();
    uint32_t before = mark("10.3.4.5", 1, 1);
    cr_expect(egress_node_markable(egress, 1));
    cr_expect_not(egress_node_markable(egress, 2));
    cr_expect_not(egress_node_markable(egress, MACHINE_NODE_UNKNOWN));
    cr_expect_eq(mark("10.3.4.5", 1, 2), 0);
    cr_expect_eq(mark("10.77.1.1", 1, 1), 0, "not over a bond");
    egress_free(egress);
    link_of(ETH2)->transmits = link_of(ETH3)->transmits = false;
    put_route("10.0.0.0", 8, BOND, NULL);
    make();
    cr_expect_not(egress_node_markable(egress, 1));
    cr_expect_eq(mark("10.3.4.5", 1, 1), 0);
    cr_expect_not(egress_marked(egress, before, &answer), "must be taken off");
    cr_expect_not(egress_marked(egress, 0, &answer));
}

Test(egress, large_ifindex_has_no_mark)
{
    cr_expect_eq(egress_member_mark(255), 0x20ff);
    cr_expect_eq(egress_member_mark(256), 0);
    cr_expect_eq(egress_member_mark(0), 0);
    link_of(ETH2)->transmits = false;
    link_of(ETH3)->index = FAR;
    make();
    cr_expect_not(egress_node_markable(egress, 1));
    cr_expect(egress_node_markable(egress, 0));
}

Test(egress, captured_machine_has_no_routes_of_this_one)
{
    machine.root = (char *)"/captured";
    cr_assert_eq(egress_make(&machine, &egress), 0);
    cr_expect_eq(predict("8.8.8.8", 1), 0);
}

Test(egress, this_machine)
{
    struct net_address lo = address("127.0.0.1", 1);
    struct egress_answer answer;

    cr_assert_eq(egress_make(&machine, &egress), 0);
    cr_expect_not(egress_predict(egress, &lo, &lo, &answer));
    egress_free(NULL);
}
