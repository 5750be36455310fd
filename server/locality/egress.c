// SPDX-License-Identifier: Apache-2.0
//
// Route, next hop, hash, member: the stops that a packet makes in the kernel, on copies of its
// tables.
#include "server/locality/egress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net/bond.h"
#include "server/locality/egress_priv.h"

int egress_make_with(const struct machine *m, struct route_table *routes,
                     struct neighbour_table *neighbours, struct egress **out)
{
    struct egress *e = calloc(1, sizeof(*e));
    int rc = e == NULL ? -ENOMEM : egress_paths_make(e, m);

    *out = NULL;
    if (rc != 0) {
        free(e);
        route_free(routes);
        neighbour_free(neighbours);
        return rc;
    }
    e->routes = *routes;
    e->neighbours = *neighbours;
    *routes = (struct route_table){0};
    *neighbours = (struct neighbour_table){0};
    *out = e;
    return 0;
}

int egress_make(const struct machine *m, struct egress **out)
{
    struct neighbour_table neighbours = {0};
    struct route_table routes = {0};
    int rc = 0;

    *out = NULL;
    if (m->root == NULL || m->root[0] == '\0') {
        rc = route_load(&routes);
        if (rc == 0)
            rc = neighbour_load(&neighbours);
    }
    if (rc != 0) {
        route_free(&routes);
        return rc;
    }
    return egress_make_with(m, &routes, &neighbours, out);
}

void egress_free(struct egress *e)
{
    if (e == NULL)
        return;
    free(e->paths);
    route_free(&e->routes);
    neighbour_free(&e->neighbours);
    free(e);
}

bool egress_stale(const struct egress *e)
{
    return atomic_load_explicit(&e->stale, memory_order_relaxed);
}

// The one write to what is const for readers otherwise.
static void say_stale(const struct egress *e)
{
    struct egress *written = (struct egress *)(uintptr_t)e;

    if (!egress_stale(e))
        atomic_store_explicit(&written->stale, true, memory_order_relaxed);
}

static bool is_v4(const struct net_address *a)
{
    return a->sa.sa_family == AF_INET || IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr);
}

// Do all hops of a route come to the same end? Then it does not matter which the kernel takes,
// unless the hash looks at the next hop or at tags, which differ.
static bool hops_agree(const struct egress *e, const struct route *r)
{
    const struct egress_path *first = egress_path_find(e, r->hops[0].link);

    if (r->nhops == 1 && !r->more)
        return true;
    if (r->more || first == NULL || first->bottom == 0)
        return false;
    for (unsigned i = 0; i < r->nhops; i++) {
        const struct egress_path *path = egress_path_find(e, r->hops[i].link);
        if (path == NULL || path->bottom != first->bottom)
            return false;
        if (path->count > 1 && (path->tagged || bond_hash_needs_target(path->policy, false) ||
                                path->vlan != first->vlan))
            return false;
    }
    return true;
}

static bool find_hop(const struct egress *e, const struct net_address *local,
                     const struct net_address *remote, struct route_hop *hop)
{
    const struct route *r;

    *hop = (struct route_hop){0};
    if (!is_v4(remote) && IN6_IS_ADDR_LINKLOCAL(&remote->in6.sin6_addr)) {
        hop->link = (int)remote->in6.sin6_scope_id;
        return hop->link != 0;
    }
    r = route_find(&e->routes, remote);
    if (r != NULL && hops_agree(e, r))
        *hop = r->hops[0];
    else if ((r == NULL && !route_must_ask(&e->routes, remote)) ||
             route_ask(local, remote, hop) != 0)
        return false;
    return hop->link != 0;
}

static bool find_target(const struct egress *e, const struct route_hop *hop,
                        const struct net_address *remote, uint8_t mac[6])
{
    const struct neighbour *n;
    uint8_t address[16] = {0};
    int family = hop->family;

    if (family != 0) {
        memcpy(address, hop->gateway, sizeof(address));
    } else if (remote->sa.sa_family == AF_INET) {
        family = AF_INET;
        memcpy(address, &remote->in.sin_addr, 4);
    } else if (is_v4(remote)) {
        family = AF_INET;
        memcpy(address, remote->in6.sin6_addr.s6_addr + 12, 4);
    } else {
        family = AF_INET6;
        memcpy(address, &remote->in6.sin6_addr, 16);
    }
    n = neighbour_find(&e->neighbours, hop->link, family, address);
    if (n == NULL) {
        say_stale(e);
        return false;
    }
    memcpy(mac, n->mac, 6);
    return true;
}

// The path that a connection takes and where its next hop is. False: none that leaves the machine.
static bool find_path(const struct egress *e, const struct net_address *local,
                      const struct net_address *remote, struct bond_flow *flow,
                      struct route_hop *hop, const struct egress_path **path)
{
    if (!bond_flow_set(flow, local, remote) || !find_hop(e, local, remote, hop))
        return false;
    *path = egress_path_find(e, hop->link);
    return *path != NULL && (*path)->count > 0;
}

bool egress_predict(const struct egress *e, const struct net_address *local,
                    const struct net_address *remote, struct egress_answer *answer)
{
    const struct egress_path *path;
    struct bond_flow flow;
    struct route_hop hop;
    uint32_t hash = 0;

    *answer = (struct egress_answer){.node = MACHINE_NODE_UNKNOWN};
    if (!find_path(e, local, remote, &flow, &hop, &path))
        return false;
    if (path->count > 1) {
        memcpy(flow.source_mac, path->mac, sizeof(flow.source_mac));
        flow.vlan = path->vlan;
        flow.tagged = path->tagged;
        if (!path->hashed ||
            (bond_hash_needs_target(path->policy, path->tagged) &&
             !find_target(e, &hop, remote, flow.target_mac)) ||
            bond_hash(path->policy, &flow, &hash) != 0)
            return false;
    }
    *answer = path->members[hash % path->count].answer;
    return true;
}

static bool usable(const struct egress_member *member, int node)
{
    return member->mark != 0 && member->answer.node == node;
}

uint32_t egress_mark(const struct egress *e, const struct net_address *local,
                     const struct net_address *remote, int node)
{
    const struct egress_path *path;
    struct bond_flow flow;
    struct route_hop hop;
    unsigned found = 0, turn;

    if (!find_path(e, local, remote, &flow, &hop, &path))
        return 0;
    for (unsigned i = 0; i < path->count; i++)
        found += usable(&path->members[i], node);
    if (found == 0)
        return 0;
    // Not the policy's bits alone: a router that hashes alike may have given this node only flows
    // that agree in them.
    turn = ((flow.addresses ^ flow.ports) * 0x9e3779b1u >> 16) % found;
    for (unsigned i = 0;; i++) {
        if (usable(&path->members[i], node) && turn-- == 0)
            return path->members[i].mark;
    }
}

bool egress_marked(const struct egress *e, uint32_t mark, struct egress_answer *answer)
{
    *answer = (struct egress_answer){.node = MACHINE_NODE_UNKNOWN};
    for (size_t i = 0; mark != 0 && i < e->npaths; i++) {
        const struct egress_path *path = &e->paths[i];
        for (unsigned k = 0; k < path->count; k++) {
            if (path->members[k].mark == mark) {
                *answer = path->members[k].answer;
                return true;
            }
        }
    }
    return false;
}

bool egress_node_markable(const struct egress *e, int node)
{
    for (size_t i = 0; i < e->npaths; i++) {
        for (unsigned k = 0; k < e->paths[i].count; k++) {
            if (usable(&e->paths[i].members[k], node))
                return true;
        }
    }
    return false;
}
