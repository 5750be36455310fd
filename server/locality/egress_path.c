// SPDX-License-Identifier: Apache-2.0
//
// From an interface that has addresses down to what transmits: through VLANs, and through a bridge
// with one way out, to a physical interface or to the members of a bond.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net/bond.h"
#include "server/locality/egress_priv.h"

#define LEVELS_MAX 8 // interfaces upon interfaces; Linux allows as many

uint32_t egress_member_mark(int link)
{
    return link > 0 && link <= EGRESS_MARK_LINK_MAX ? EGRESS_MARK_BASE + (uint32_t)link : 0;
}

// In active-backup mode the others are not to be heard by the switch, and in tlb and alb mode each
// member has a MAC address of its own.
bool egress_bond_takes_marks(const struct machine_link *bond)
{
    return bond->kind == LINK_BOND && bond_mode_hashes(bond->bond_mode);
}

static void add_member(struct egress_path *path, const struct machine_link *link, unsigned position)
{
    struct egress_member *member = &path->members[path->count++];

    member->answer = (struct egress_answer){link->index, link->node, position};
    member->mark = path->marks ? egress_member_mark(link->index) : 0;
}

static int by_position(const void *a, const void *b)
{
    const struct egress_member *x = a, *y = b;

    return (x->answer.member > y->answer.member) - (x->answer.member < y->answer.member);
}

// The bond's own list of members that it sends by: those that transmit, in its order.
static void end_at_bond(const struct machine *m, const struct machine_link *bond,
                        struct egress_path *path)
{
    path->bottom = bond->index;
    path->hashed = bond_mode_hashes(bond->bond_mode);
    path->policy = bond->bond_policy;
    path->marks = egress_bond_takes_marks(bond);
    for (unsigned i = 0; i < m->nlinks && path->count < MACHINE_MEMBERS_MAX; i++) {
        const struct machine_link *link = &m->links[i];
        if (link->master == bond->index && link->transmits)
            add_member(path, link, link->position);
    }
    qsort(path->members, path->count, sizeof(path->members[0]), by_position);
}

// A bridge sends by what it learned. With one port to the outside, beside those of virtual machines
// and containers, clients are behind that one.
static const struct machine_link *way_out(const struct machine *m,
                                          const struct machine_link *bridge)
{
    const struct machine_link *out = NULL;

    for (unsigned i = 0; i < m->nlinks; i++) {
        const struct machine_link *port = &m->links[i];
        if (port->master != bridge->index || port->kind == LINK_VIRTUAL)
            continue;
        if (out != NULL)
            return NULL;
        out = port;
    }
    return out;
}

static const struct machine_link *below(const struct machine *m, const struct machine_link *link,
                                        struct egress_path *path)
{
    if (link->kind == LINK_BRIDGE)
        return way_out(m, link);
    if (link->kind != LINK_VLAN)
        return NULL;
    path->tagged = path->vlan != 0; // that of the VLAN above gets into the frame
    path->vlan = link->vlan;
    return machine_link(m, link->lower);
}

static void descend(const struct machine *m, const struct machine_link *link,
                    struct egress_path *path)
{
    *path = (struct egress_path){.link = link->index};
    memcpy(path->mac, link->mac, sizeof(path->mac));
    for (int i = 0; link != NULL && i < LEVELS_MAX; i++) {
        if (link->kind == LINK_BOND) {
            end_at_bond(m, link, path);
            return;
        }
        if (link->kind == LINK_PHYSICAL) {
            path->bottom = link->index;
            add_member(path, link, 0);
            return;
        }
        link = below(m, link, path);
    }
}

static int by_link(const void *a, const void *b)
{
    const struct egress_path *x = a, *y = b;

    return (x->link > y->link) - (x->link < y->link);
}

int egress_paths_make(struct egress *e, const struct machine *m)
{
    e->npaths = 0;
    if (m->nlinks == 0)
        return 0;
    e->paths = calloc(m->nlinks, sizeof(*e->paths));
    if (e->paths == NULL)
        return -ENOMEM;
    e->npaths = m->nlinks;
    for (unsigned i = 0; i < m->nlinks; i++)
        descend(m, &m->links[i], &e->paths[i]);
    qsort(e->paths, e->npaths, sizeof(*e->paths), by_link);
    for (size_t i = 0; i < e->npaths && i < UINT16_MAX; i++) {
        if (e->paths[i].link > 0 && e->paths[i].link < EGRESS_PATHS_DIRECT)
            e->path_at[e->paths[i].link] = (uint16_t)(i + 1);
    }
    return 0;
}

const struct egress_path *egress_path_find(const struct egress *e, int link)
{
    struct egress_path key = {.link = link};

    if (link > 0 && link < EGRESS_PATHS_DIRECT)
        return e->path_at[link] == 0 ? NULL : &e->paths[e->path_at[link] - 1];
    return e->npaths == 0 ? NULL : bsearch(&key, e->paths, e->npaths, sizeof(*e->paths), by_link);
}
