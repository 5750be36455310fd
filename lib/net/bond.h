// SPDX-License-Identifier: Apache-2.0
//
// The hash by which a Linux bond chooses the member that a frame leaves by (drivers/net/bonding:
// bond_xmit_hash(); the same in Linux 6.1 and 6.12). Pure. What is hashed is the frame as the bond
// gets it: of a VLAN on the bond the tag lies beside the frame, so that the dissector sees through
// it, but of a VLAN on a VLAN the inner tag is in the frame and hides the rest from most policies.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/compiler.h"
#include "lib/net/address.h"

// What a frame of a TCP connection shows. Source is this machine.
struct bond_flow {
    uint32_t addresses; // both folded into one; see bond_flow_set()
    uint32_t ports;
    uint16_t protocol; // ETH_P_IP or ETH_P_IPV6 of linux/if_ether.h
    uint16_t vlan;     // tag beside the frame: priority and id; 0: none
    bool tagged;       // another tag is in the frame
    uint8_t source_mac[6], target_mac[6];
};

// Addresses, ports and protocol of a connection; the rest becomes zero. IPv4 addresses that are
// mapped into IPv6 count as IPv4, which is what is sent. False for other families.
bool bond_flow_set(struct bond_flow *flow, const struct net_address *local,
                   const struct net_address *remote);

// `policy`: BOND_XMIT_POLICY_* of linux/if_bonding.h. The member is the hash modulo the number of
// those that transmit, in the bond's order. -EOPNOTSUPP for a policy that cannot be foretold:
// encap3+4 takes the random number that TCP gives to each connection, and an unknown one.
must_check int bond_hash(int policy, const struct bond_flow *flow, uint32_t *hash);

// Does the hash of such a frame depend on the MAC address of the next hop?
bool bond_hash_needs_target(int policy, bool tagged);

// Is the member chosen by that hash? Others go by turns, by load, or send to all.
bool bond_mode_hashes(int mode); // BOND_MODE_*
