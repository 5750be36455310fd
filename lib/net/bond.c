// SPDX-License-Identifier: Apache-2.0
//
// Words are taken as they lie in memory, as the kernel takes them, so the same flow has another
// hash on a machine of the other byte order; it has there too.
//
// One case is left out: on an interface that allows bursts of more than 64 KiB (gso_max_size, BIG
// TCP), such a burst over IPv6 has a jumbogram header in front of TCP, and layer3+4 then hashes it
// without ports.
#include "lib/net/bond.h"

#include <errno.h>
#include <linux/if_bonding.h>
#include <linux/if_ether.h>
#include <string.h>

static uint32_t word(const void *p)
{
    uint32_t value;

    memcpy(&value, p, sizeof(value));
    return value;
}

static uint32_t fold_v6(const struct in6_addr *a)
{
    return word(a->s6_addr) ^ word(a->s6_addr + 4) ^ word(a->s6_addr + 8) ^ word(a->s6_addr + 12);
}

static uint32_t fold(const struct net_address *a)
{
    if (a->sa.sa_family == AF_INET)
        return word(&a->in.sin_addr);
    if (IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
        return word(a->in6.sin6_addr.s6_addr + 12);
    return fold_v6(&a->in6.sin6_addr);
}

static uint16_t protocol(const struct net_address *a)
{
    return a->sa.sa_family == AF_INET || IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr) ? ETH_P_IP
                                                                                : ETH_P_IPV6;
}

static in_port_t port(const struct net_address *a)
{
    return a->sa.sa_family == AF_INET ? a->in.sin_port : a->in6.sin6_port;
}

bool bond_flow_set(struct bond_flow *flow, const struct net_address *local,
                   const struct net_address *remote)
{
    sa_family_t family = local->sa.sa_family;

    if ((family != AF_INET && family != AF_INET6) || remote->sa.sa_family != family)
        return false;
    in_port_t ports[2] = {port(local), port(remote)}; // as TCP's header has them
    *flow = (struct bond_flow){.addresses = fold(local) ^ fold(remote), .ports = word(ports),
                               .protocol = protocol(remote)};
    return true;
}

// The packet type counts too. That of IPv6 is odd: of two members, it gets the other than IPv4.
static uint32_t hash_frame(const struct bond_flow *flow)
{
    uint32_t type = flow->tagged ? ETH_P_8021Q : flow->protocol;

    return flow->target_mac[5] ^ flow->source_mac[5] ^ type;
}

static uint32_t hash_address(uint32_t hash, const struct bond_flow *flow)
{
    hash ^= flow->addresses;
    hash ^= hash >> 16;
    hash ^= hash >> 8;
    return hash;
}

static uint32_t hash_vlan(const struct bond_flow *flow)
{
    const uint8_t *mac = flow->source_mac;
    uint32_t vendor = (uint32_t)mac[0] << 16 | (uint32_t)mac[1] << 8 | mac[2];
    uint32_t device = (uint32_t)mac[3] << 16 | (uint32_t)mac[4] << 8 | mac[5];

    return flow->vlan ^ vendor ^ device;
}

int bond_hash(int policy, const struct bond_flow *flow, uint32_t *hash)
{
    switch (policy) {
    case BOND_XMIT_POLICY_LAYER2:
        *hash = hash_frame(flow);
        return 0;
    case BOND_XMIT_POLICY_LAYER23:
        *hash = flow->tagged ? hash_frame(flow) : hash_address(hash_frame(flow), flow);
        return 0;
    case BOND_XMIT_POLICY_ENCAP23: // its dissector goes through tags
        *hash = hash_address(hash_frame(flow), flow);
        return 0;
    case BOND_XMIT_POLICY_LAYER34:
        // Clients and servers like even ports, so the lowest bit is left out.
        *hash = flow->tagged ? hash_frame(flow) : hash_address(flow->ports, flow) >> 1;
        return 0;
    case BOND_XMIT_POLICY_VLAN_SRCMAC:
        *hash = hash_vlan(flow);
        return 0;
    default:
        return -EOPNOTSUPP;
    }
}

bool bond_hash_needs_target(int policy, bool tagged)
{
    switch (policy) {
    case BOND_XMIT_POLICY_LAYER2:
    case BOND_XMIT_POLICY_LAYER23:
    case BOND_XMIT_POLICY_ENCAP23:
        return true;
    case BOND_XMIT_POLICY_LAYER34:
        return tagged;
    default:
        return false;
    }
}

bool bond_mode_hashes(int mode)
{
    return mode == BOND_MODE_8023AD || mode == BOND_MODE_XOR;
}
