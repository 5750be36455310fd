// SPDX-License-Identifier: Apache-2.0
//
// Copies the routing tables. Only what every connection of the machine goes by is copied: with the
// three rules that Linux starts with, the tables local, main and default, in this order. Whatever
// looks at more than the remote address (rules, source routes, types of service) sets `ask`.
#include "lib/net/route_priv.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 3 // a table that changes while it is read is read again

struct reading {
    struct route_list *list;
    int family;
};

static void copy_gateway(const void *from, size_t size, int family, struct route_hop *hop)
{
    hop->family = family;
    memcpy(hop->gateway, from, min_of(size, sizeof(hop->gateway)));
}

void route_read_hop(const struct rtattr *const at[RTA_VIA + 1], uint32_t link, int family,
                    struct route_hop *hop)
{
    *hop = (struct route_hop){.link = (int)link};
    if (at[RTA_GATEWAY] != NULL) {
        copy_gateway(RTA_DATA(at[RTA_GATEWAY]), RTA_PAYLOAD(at[RTA_GATEWAY]), family, hop);
    } else if (at[RTA_VIA] != NULL && RTA_PAYLOAD(at[RTA_VIA]) > sizeof(struct rtvia)) {
        const struct rtvia *via = RTA_DATA(at[RTA_VIA]); // IPv4 through an IPv6 router
        copy_gateway(via->rtvia_addr, RTA_PAYLOAD(at[RTA_VIA]) - sizeof(*via), via->rtvia_family,
                     hop);
    }
}

static void read_hops(const struct rtattr *multipath, int family, struct route *r)
{
    const struct rtnexthop *next = RTA_DATA(multipath);
    int left = (int)RTA_PAYLOAD(multipath);

    for (; left >= (int)sizeof(*next) && RTNH_OK(next, left);
         left -= RTNH_ALIGN(next->rtnh_len), next = RTNH_NEXT(next)) {
        const struct rtattr *at[RTA_VIA + 1] = {0}, *a = RTNH_DATA(next);
        size_t n = next->rtnh_len - RTNH_LENGTH(0);
        for (; RTA_OK(a, n); a = RTA_NEXT(a, n)) {
            if (a->rta_type <= RTA_VIA)
                at[a->rta_type] = a;
        }
        if ((next->rtnh_flags & RTNH_F_DEAD) == 0) {
            r->more = r->more || r->nhops == ROUTE_HOPS_MAX;
            if (!r->more)
                route_read_hop(at, (uint32_t)next->rtnh_ifindex, family, &r->hops[r->nhops++]);
        }
    }
}

// No connection goes to a broadcast, multicast or anycast address, and link-local ones name their
// interface: each interface has such routes, so there are many.
static bool is_copied(const struct rtmsg *body, uint32_t table, const struct rtattr *to)
{
    if ((body->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD)) != 0 ||
        body->rtm_type == RTN_BROADCAST || body->rtm_type == RTN_MULTICAST ||
        body->rtm_type == RTN_ANYCAST)
        return false;
    if (body->rtm_family == AF_INET6 && to != NULL && body->rtm_dst_len >= 10 &&
        RTA_PAYLOAD(to) == 16 && IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)RTA_DATA(to)))
        return false;
    return table == RT_TABLE_LOCAL || table == RT_TABLE_MAIN || table == RT_TABLE_DEFAULT;
}

// False when the route has what this file does not know.
static bool read_route(const struct rtmsg *body, const struct rtattr *const at[RTA_VIA + 1],
                       struct route *r)
{
    if (body->rtm_tos != 0 || body->rtm_src_len != 0 || body->rtm_type == RTN_THROW ||
        body->rtm_type == RTN_NAT)
        return false;
    if (body->rtm_type == RTN_UNICAST && at[RTA_MULTIPATH] != NULL) {
        read_hops(at[RTA_MULTIPATH], body->rtm_family, r);
        return true;
    }
    r->nhops = 1;
    if (body->rtm_type != RTN_UNICAST)
        return true;
    route_read_hop(at, rtnl_u32(at[RTA_OIF], 0), body->rtm_family, &r->hops[0]);
    return r->hops[0].link != 0; // else it is in a nexthop object (net.ipv4.nexthop_compat_mode)
}

static int take_route(const struct nlmsghdr *message, void *arg)
{
    static const uint8_t any[16];
    const struct rtattr *at[RTA_VIA + 1];
    const struct rtmsg *body = NLMSG_DATA(message);
    struct reading *reading = arg;
    struct route r = {0};

    if (message->nlmsg_type != RTM_NEWROUTE || message->nlmsg_len < NLMSG_LENGTH(sizeof(*body)) ||
        body->rtm_family != reading->family)
        return 0;
    rtnl_attributes(message, sizeof(*body), at, RTA_VIA + 1);
    uint32_t table = rtnl_u32(at[RTA_TABLE], body->rtm_table);
    if (!is_copied(body, table, at[RTA_DST]) || body->rtm_dst_len > 128)
        return 0;
    if (reading->list->count == ROUTES_MAX || !read_route(body, at, &r)) {
        reading->list->ask = true;
        return -ECANCELED;
    }
    if (r.nhops == 0)
        return 0;
    r.metric = rtnl_u32(at[RTA_PRIORITY], 0);
    r.local = table == RT_TABLE_LOCAL;
    if (at[RTA_DST] != NULL)
        route_set_prefix(&r, RTA_DATA(at[RTA_DST]), (unsigned)RTA_PAYLOAD(at[RTA_DST]),
                         body->rtm_dst_len);
    else
        route_set_prefix(&r, any, sizeof(any), 0);
    return route_add(reading->list, &r);
}

// Is it one of the three that Linux starts with?
static int take_rule(const struct nlmsghdr *message, void *arg)
{
    const struct rtattr *at[FRA_MAX + 1];
    const struct fib_rule_hdr *body = NLMSG_DATA(message);
    struct reading *reading = arg;

    if (message->nlmsg_type != RTM_NEWRULE || message->nlmsg_len < NLMSG_LENGTH(sizeof(*body)) ||
        body->family != reading->family)
        return 0;
    rtnl_attributes(message, sizeof(*body), at, FRA_MAX + 1);
    uint32_t table = rtnl_u32(at[FRA_TABLE], body->table);
    bool selects = body->src_len != 0 || body->dst_len != 0 || body->tos != 0 ||
                   at[FRA_FWMARK] != NULL || at[FRA_IIFNAME] != NULL || at[FRA_OIFNAME] != NULL ||
                   at[FRA_L3MDEV] != NULL || at[FRA_UID_RANGE] != NULL ||
                   at[FRA_IP_PROTO] != NULL || at[FRA_SPORT_RANGE] != NULL ||
                   at[FRA_DPORT_RANGE] != NULL || (body->flags & FIB_RULE_INVERT) != 0 ||
                   rtnl_u32(at[FRA_SUPPRESS_PREFIXLEN], UINT32_MAX) != UINT32_MAX;
    if (selects || body->action != FR_ACT_TO_TBL ||
        (table != RT_TABLE_LOCAL && table != RT_TABLE_MAIN && table != RT_TABLE_DEFAULT))
        reading->list->ask = true;
    return 0;
}

static int dump(uint16_t type, int family, rtnl_each *each, struct reading *reading)
{
    struct rtmsg body = {.rtm_family = (unsigned char)family}; // as long as a rule's header
    struct rtnl_request q;

    rtnl_request_init(&q, type, NLM_F_DUMP, &body, sizeof(body));
    return rtnl_ask(&q, each, reading);
}

static int load_list(struct route_list *list, int family)
{
    struct reading reading = {list, family};
    int rc = dump(RTM_GETRULE, family, take_rule, &reading);

    if (rc == -EAFNOSUPPORT || rc == -EOPNOTSUPP) // a kernel without rules, or without IPv6
        rc = 0;
    if (rc != 0 || list->ask)
        return rc;
    for (int i = 0; i < TRIES; i++) {
        list->count = 0;
        rc = dump(RTM_GETROUTE, family, take_route, &reading);
        if (rc != -EINTR)
            break;
    }
    if (list->ask) {
        list->count = 0;
        return 0;
    }
    return rc != 0 ? rc : route_sort(list);
}

int route_load(struct route_table *t)
{
    int rc;

    *t = (struct route_table){0};
    rc = load_list(&t->v4, AF_INET);
    if (rc == 0)
        rc = load_list(&t->v6, AF_INET6);
    if (rc != 0)
        route_free(t);
    return rc;
}
