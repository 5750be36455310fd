// SPDX-License-Identifier: Apache-2.0
#include "lib/net/neighbour.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net/rtnl.h"

#define TRIES 3 // a table that changes while it is read is read again

int neighbour_add(struct neighbour_table *t, const struct neighbour *n)
{
    if (t->count == t->room) {
        size_t room = t->room == 0 ? 16 : 2 * t->room;
        struct neighbour *at = reallocarray(t->at, room, sizeof(*at));
        if (at == NULL)
            return -ENOMEM;
        t->at = at;
        t->room = room;
    }
    t->at[t->count++] = *n;
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct neighbour *x = a, *y = b;

    if (x->link != y->link)
        return x->link < y->link ? -1 : 1;
    if (x->family != y->family)
        return x->family < y->family ? -1 : 1;
    return memcmp(x->address, y->address, sizeof(x->address));
}

void neighbour_sort(struct neighbour_table *t)
{
    if (t->count > 0)
        qsort(t->at, t->count, sizeof(*t->at), compare);
}

const struct neighbour *neighbour_find(const struct neighbour_table *t, int link, int family,
                                       const uint8_t address[16])
{
    struct neighbour key = {.link = link, .family = family};

    if (t->count == 0)
        return NULL;
    memcpy(key.address, address, sizeof(key.address));
    return bsearch(&key, t->at, t->count, sizeof(*t->at), compare);
}

static int take(const struct nlmsghdr *message, void *arg)
{
    const struct ndmsg *body = NLMSG_DATA(message);
    const struct rtattr *at[NDA_LLADDR + 1];
    struct neighbour n = {0};

    if (message->nlmsg_type != RTM_NEWNEIGH || message->nlmsg_len < NLMSG_LENGTH(sizeof(*body)) ||
        (body->ndm_family != AF_INET && body->ndm_family != AF_INET6))
        return 0;
    rtnl_attributes(message, sizeof(*body), at, NDA_LLADDR + 1);
    // One that failed or is still asked for has no MAC address, or one that is no longer used.
    if ((body->ndm_state & (NUD_INCOMPLETE | NUD_FAILED)) != 0 || at[NDA_DST] == NULL ||
        at[NDA_LLADDR] == NULL || RTA_PAYLOAD(at[NDA_LLADDR]) != sizeof(n.mac) ||
        RTA_PAYLOAD(at[NDA_DST]) > sizeof(n.address))
        return 0;
    n.link = body->ndm_ifindex;
    n.family = body->ndm_family;
    memcpy(n.address, RTA_DATA(at[NDA_DST]), RTA_PAYLOAD(at[NDA_DST]));
    memcpy(n.mac, RTA_DATA(at[NDA_LLADDR]), sizeof(n.mac));
    return neighbour_add(arg, &n);
}

int neighbour_load(struct neighbour_table *t)
{
    struct ndmsg body = {.ndm_family = AF_UNSPEC};
    struct rtnl_request q;
    int rc = -EINTR;

    *t = (struct neighbour_table){0};
    for (int i = 0; rc == -EINTR && i < TRIES; i++) {
        t->count = 0;
        rtnl_request_init(&q, RTM_GETNEIGH, NLM_F_DUMP, &body, sizeof(body));
        rc = rtnl_ask(&q, take, t);
    }
    if (rc != 0)
        neighbour_free(t);
    neighbour_sort(t);
    return rc;
}

void neighbour_free(struct neighbour_table *t)
{
    free(t->at);
    *t = (struct neighbour_table){0};
}
