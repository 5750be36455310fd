// SPDX-License-Identifier: Apache-2.0
#include "lib/net/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net/rtnl.h"
#include "lib/net/route_priv.h"

int route_add(struct route_list *l, const struct route *r)
{
    if (l->count == l->room) {
        size_t room = l->room == 0 ? 16 : 2 * l->room;
        struct route *at = reallocarray(l->at, room, sizeof(*at));
        if (at == NULL)
            return -ENOMEM;
        l->at = at;
        l->room = room;
    }
    l->at[l->count++] = *r;
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct route *x = a, *y = b;

    if (x->bits != y->bits)
        return x->bits > y->bits ? -1 : 1;
    if (x->local != y->local)
        return x->local ? -1 : 1;
    if (x->metric != y->metric)
        return x->metric < y->metric ? -1 : 1;
    return memcmp(x->key.prefix, y->key.prefix, sizeof(x->key.prefix));
}

static bool twins(const struct route *a, const struct route *b)
{
    return compare(a, b) == 0;
}

// IPv6 shows the hops of a multipath route that was put together from parts as routes of their own.
static void join(struct route_list *l)
{
    size_t kept = 0;

    for (size_t i = 0; i < l->count; i++) {
        if (kept == 0 || !twins(&l->at[kept - 1], &l->at[i])) {
            l->at[kept++] = l->at[i];
            continue;
        }
        struct route *first = &l->at[kept - 1];
        if (l->at[i].local) // the same address on several interfaces
            continue;
        if (first->nhops + l->at[i].nhops > ROUTE_HOPS_MAX) {
            first->more = true;
            continue;
        }
        memcpy(&first->hops[first->nhops], l->at[i].hops, l->at[i].nhops * sizeof(*first->hops));
        first->nhops += l->at[i].nhops;
    }
    l->count = kept;
}

int route_sort(struct route_list *l)
{
    struct route_key *keys;

    if (l->count == 0)
        return 0;
    qsort(l->at, l->count, sizeof(*l->at), compare);
    join(l);
    keys = reallocarray(l->keys, l->count, sizeof(*keys));
    if (keys == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < l->count; i++)
        keys[i] = l->at[i].key;
    l->keys = keys;
    return 0;
}

void route_set_prefix(struct route *r, const void *address, unsigned length, unsigned bits)
{
    unsigned char mask[16] = {0}, prefix[16] = {0};

    for (unsigned i = 0; i < bits; i++)
        mask[i / 8] |= (unsigned char)(0x80 >> i % 8);
    memcpy(prefix, address, min_of(length, sizeof(prefix)));
    for (unsigned i = 0; i < sizeof(prefix); i++)
        prefix[i] &= mask[i];
    memcpy(r->key.mask, mask, sizeof(mask));
    memcpy(r->key.prefix, prefix, sizeof(prefix));
    r->bits = bits;
}

// The family as it is on the wire, and the address as in struct route.
static const struct route_list *list_of(const struct route_table *t,
                                        const struct net_address *remote, uint64_t address[2])
{
    const struct in6_addr *six = &remote->in6.sin6_addr;

    memset(address, 0, 2 * sizeof(*address));
    if (remote->sa.sa_family == AF_INET) {
        memcpy(address, &remote->in.sin_addr, 4);
        return &t->v4;
    }
    if (IN6_IS_ADDR_V4MAPPED(six)) {
        memcpy(address, six->s6_addr + 12, 4);
        return &t->v4;
    }
    memcpy(address, six, sizeof(*six));
    return &t->v6;
}

static bool matches(const struct route_key *k, const uint64_t address[2])
{
    return (((k->prefix[0] ^ address[0]) & k->mask[0]) |
            ((k->prefix[1] ^ address[1]) & k->mask[1])) == 0;
}

const struct route *route_find(const struct route_table *t, const struct net_address *remote)
{
    uint64_t address[2];
    const struct route_list *l = list_of(t, remote, address);

    if (l->ask)
        return NULL;
    for (size_t i = 0; i < l->count; i++) {
        if (matches(&l->keys[i], address))
            return &l->at[i];
    }
    return NULL;
}

bool route_must_ask(const struct route_table *t, const struct net_address *remote)
{
    uint64_t address[2];

    return list_of(t, remote, address)->ask;
}

void route_free(struct route_table *t)
{
    free(t->v4.at);
    free(t->v4.keys);
    free(t->v6.at);
    free(t->v6.keys);
    *t = (struct route_table){0};
}

struct asked {
    struct route_hop *hop;
    bool answered;
};

static int take_answer(const struct nlmsghdr *message, void *arg)
{
    const struct rtattr *at[RTA_VIA + 1];
    const struct rtmsg *body = NLMSG_DATA(message);
    struct asked *asked = arg;

    if (message->nlmsg_type != RTM_NEWROUTE || message->nlmsg_len < NLMSG_LENGTH(sizeof(*body)))
        return 0;
    rtnl_attributes(message, sizeof(*body), at, RTA_VIA + 1);
    asked->answered = true;
    *asked->hop = (struct route_hop){0};
    if (body->rtm_type == RTN_UNICAST)
        route_read_hop(at, rtnl_u32(at[RTA_OIF], 0), body->rtm_family, asked->hop);
    return 0;
}

static void add_end(struct rtnl_request *q, uint16_t address, uint16_t port,
                    const struct net_address *a)
{
    if (a->sa.sa_family == AF_INET)
        rtnl_request_add(q, address, &a->in.sin_addr, 4);
    else if (IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
        rtnl_request_add(q, address, a->in6.sin6_addr.s6_addr + 12, 4);
    else
        rtnl_request_add(q, address, &a->in6.sin6_addr, 16);
    rtnl_request_add(q, port, a->sa.sa_family == AF_INET ? &a->in.sin_port : &a->in6.sin6_port, 2);
}

int route_ask(const struct net_address *local, const struct net_address *remote,
              struct route_hop *hop)
{
    struct rtmsg body = {.rtm_family = (unsigned char)remote->sa.sa_family};
    struct asked asked = {.hop = hop};
    struct rtnl_request q;
    uint8_t protocol = IPPROTO_TCP;
    int rc;

    if (body.rtm_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&remote->in6.sin6_addr))
        body.rtm_family = AF_INET;
    body.rtm_dst_len = body.rtm_src_len = body.rtm_family == AF_INET ? 32 : 128;
    rtnl_request_init(&q, RTM_GETROUTE, 0, &body, sizeof(body));
    add_end(&q, RTA_DST, RTA_DPORT, remote);
    add_end(&q, RTA_SRC, RTA_SPORT, local);
    rtnl_request_add(&q, RTA_IP_PROTO, &protocol, sizeof(protocol));
    if (remote->sa.sa_family == AF_INET6 && remote->in6.sin6_scope_id != 0)
        rtnl_request_add(&q, RTA_OIF, &remote->in6.sin6_scope_id, 4);
    rc = rtnl_ask(&q, take_answer, &asked);
    return rc != 0 || asked.answered ? rc : -ENETUNREACH;
}
