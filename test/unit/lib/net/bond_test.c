// SPDX-License-Identifier: Apache-2.0
//
// The hash of bonds, against a table that was computed from frames: a program in another language
// laid each flow out as the bytes of an Ethernet frame and hashed those as the kernel's
// bonding.rst and bond_main.c say. That the kernel does the same is shown by the lab's
// test_egress.py for every flow of a few thousand.
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <linux/if_bonding.h>
#include <linux/if_ether.h>
#include <string.h>

#include "lib/net/bond.h"
#include "test/unit/support/address.h"

struct vector {
    const char *local;
    uint16_t local_port;
    const char *remote;
    uint16_t remote_port;
    uint8_t source_mac[6], target_mac[6];
    uint16_t vlan;
    struct {
        uint32_t layer2, layer23, layer34, vlan_srcmac;
    } hash; // of a machine with the least significant byte first
};

// clang-format off
static const struct vector vectors[] = {
    {"10.9.0.1", 80, "10.9.0.2", 40000,
     {0x52, 0x54, 0x00, 0x9a, 0x00, 0x01}, {0x52, 0x54, 0x00, 0x9a, 0x00, 0x02}, 0,
     {0x803, 0x3030b08, 0x21efc7c7, 0xc85401}},
    {"192.0.2.10", 443, "198.51.100.77", 51313,
     {0x52, 0x54, 0x00, 0x9a, 0x00, 0x01}, {0x00, 0x1b, 0x21, 0xaa, 0xbb, 0xcc}, 0,
     {0x8cd, 0x47211ad1, 0x1b4c080b, 0xc85401}},
    {"203.0.113.255", 443, "8.8.8.8", 65535,
     {0x02, 0x00, 0x5e, 0x10, 0x00, 0xff}, {0x00, 0x00, 0x5e, 0x00, 0x01, 0x0a}, 100,
     {0x8f5, 0xf78e8eb8, 0x4471eff, 0x1200c5}},
    {"203.0.113.1", 1, "255.255.255.254", 1,
     {0x02, 0x00, 0x5e, 0x10, 0x00, 0xff}, {0x00, 0x00, 0x5e, 0x00, 0x01, 0x0b}, 4095,
     {0x8f4, 0xff718646, 0x7f38475d, 0x120f5e}},
    {"fd09::1", 80, "fd09::2", 40001,
     {0x52, 0x54, 0x00, 0x9a, 0x00, 0x01}, {0x52, 0x54, 0x00, 0x9a, 0x00, 0x02}, 0,
     {0x86de, 0x303855b, 0x216f4747, 0xc85401}},
    {"2001:db8:1:2:3:4:5:6", 8443, "2a02:810d:8a40:1234:a8bb:ccff:fedd:ee0f", 49152,
     {0xa0, 0x36, 0x9f, 0x12, 0x34, 0x56}, {0x00, 0x00, 0x5e, 0x00, 0x02, 0x33}, 7,
     {0x86b8, 0x71cd6907, 0x3886ea11, 0xb202ce}},
};
// clang-format on

static struct bond_flow flow_of(const struct vector *v)
{
    struct net_address local = address(v->local, v->local_port);
    struct net_address remote = address(v->remote, v->remote_port);
    struct bond_flow flow;

    cr_assert(bond_flow_set(&flow, &local, &remote));
    memcpy(flow.source_mac, v->source_mac, 6);
    memcpy(flow.target_mac, v->target_mac, 6);
    flow.vlan = v->vlan;
    return flow;
}

static uint32_t hash(int policy, const struct bond_flow *flow)
{
    uint32_t h = 0;

    cr_assert_eq(bond_hash(policy, flow, &h), 0);
    return h;
}

Test(bond, hashes_as_the_kernel_does,
     .disabled = __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
{
    for (size_t i = 0; i < array_len(vectors); i++) {
        const struct vector *v = &vectors[i];
        struct bond_flow flow = flow_of(v);
        cr_expect_eq(hash(BOND_XMIT_POLICY_LAYER2, &flow), v->hash.layer2, "%zu", i);
        cr_expect_eq(hash(BOND_XMIT_POLICY_LAYER23, &flow), v->hash.layer23, "%zu", i);
        cr_expect_eq(hash(BOND_XMIT_POLICY_ENCAP23, &flow), v->hash.layer23, "%zu", i);
        cr_expect_eq(hash(BOND_XMIT_POLICY_LAYER34, &flow), v->hash.layer34, "%zu", i);
        cr_expect_eq(hash(BOND_XMIT_POLICY_VLAN_SRCMAC, &flow), v->hash.vlan_srcmac, "%zu", i);
    }
}

Test(bond, random_or_unknown_policy_is_not_foretold)
{
    struct bond_flow flow = flow_of(&vectors[0]);
    uint32_t h;

    cr_expect_eq(bond_hash(BOND_XMIT_POLICY_ENCAP34, &flow, &h), -EOPNOTSUPP);
    cr_expect_eq(bond_hash(6, &flow, &h), -EOPNOTSUPP);
    cr_expect_eq(bond_hash(-1, &flow, &h), -EOPNOTSUPP);
}

// Of a VLAN on a VLAN the bond sees an 802.1Q frame, and knows no more of it than its addresses.
Test(bond, inner_tag_hides_the_packet_from_all_but_encap)
{
    struct bond_flow flow = flow_of(&vectors[1]);

    uint32_t frame = vectors[1].hash.layer2 ^ ETH_P_IP ^ ETH_P_8021Q;
    flow.tagged = true;
    cr_expect_eq(hash(BOND_XMIT_POLICY_LAYER2, &flow), frame);
    cr_expect_eq(hash(BOND_XMIT_POLICY_LAYER23, &flow), frame);
    cr_expect_eq(hash(BOND_XMIT_POLICY_LAYER34, &flow), frame);
    cr_expect_neq(hash(BOND_XMIT_POLICY_ENCAP23, &flow), frame);
}

Test(bond, mapped_ipv4_is_ipv4)
{
    struct net_address four[2] = {address("10.9.0.1", 80), address("10.9.0.2", 40000)};
    struct net_address six[2] = {address("::ffff:10.9.0.1", 80), address("::ffff:10.9.0.2", 40000)};
    struct bond_flow a, b;

    cr_assert(bond_flow_set(&a, &four[0], &four[1]));
    cr_assert(bond_flow_set(&b, &six[0], &six[1]));
    cr_expect_eq(hash(BOND_XMIT_POLICY_LAYER34, &a), hash(BOND_XMIT_POLICY_LAYER34, &b));
    cr_expect_eq(hash(BOND_XMIT_POLICY_LAYER23, &a), hash(BOND_XMIT_POLICY_LAYER23, &b));
}

Test(bond, other_families_have_no_flow)
{
    struct net_address unix_end = {.un = {.sun_family = AF_UNIX}, .len = 2};
    struct net_address four = address("10.9.0.1", 80), six = address("fd09::1", 80);
    struct bond_flow flow;

    cr_expect_not(bond_flow_set(&flow, &unix_end, &unix_end));
    cr_expect_not(bond_flow_set(&flow, &four, &six));
}

Test(bond, ports_matter_by_their_place_for_layer34_alone)
{
    struct net_address local = address("10.9.0.1", 80), remote = address("10.9.0.2", 40000);
    struct net_address other = address("10.9.0.2", 40002);
    struct bond_flow a, b;

    cr_assert(bond_flow_set(&a, &local, &remote));
    cr_assert(bond_flow_set(&b, &local, &other));
    cr_expect_neq(hash(BOND_XMIT_POLICY_LAYER34, &a), hash(BOND_XMIT_POLICY_LAYER34, &b));
    cr_expect_eq(hash(BOND_XMIT_POLICY_LAYER23, &a), hash(BOND_XMIT_POLICY_LAYER23, &b));
    cr_expect_eq(hash(BOND_XMIT_POLICY_LAYER2, &a), hash(BOND_XMIT_POLICY_LAYER2, &b));
}

Test(bond, says_which_policies_want_the_next_hop)
{
    cr_expect(bond_hash_needs_target(BOND_XMIT_POLICY_LAYER2, false));
    cr_expect(bond_hash_needs_target(BOND_XMIT_POLICY_LAYER23, false));
    cr_expect(bond_hash_needs_target(BOND_XMIT_POLICY_ENCAP23, false));
    cr_expect_not(bond_hash_needs_target(BOND_XMIT_POLICY_LAYER34, false));
    cr_expect(bond_hash_needs_target(BOND_XMIT_POLICY_LAYER34, true));
    cr_expect_not(bond_hash_needs_target(BOND_XMIT_POLICY_VLAN_SRCMAC, true));
}

Test(bond, hashing_modes)
{
    cr_expect(bond_mode_hashes(BOND_MODE_8023AD));
    cr_expect(bond_mode_hashes(BOND_MODE_XOR));
    for (int mode = -1; mode <= 7; mode++) {
        if (mode != BOND_MODE_8023AD && mode != BOND_MODE_XOR)
            cr_expect_not(bond_mode_hashes(mode), "%d", mode);
    }
}
