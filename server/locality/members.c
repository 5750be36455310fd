// SPDX-License-Identifier: Apache-2.0
#include "server/locality/members.h"

#include "lib/topo/machine.h"

// The physical interfaces in the order of their numbers, at most STATS_MEMBERS.
static unsigned list(const struct machine *machine, const struct machine_link **out)
{
    unsigned n = 0;

    for (unsigned i = 0; i < machine->nlinks; i++) {
        const struct machine_link *link = &machine->links[i];
        unsigned at = n;

        if (link->kind != LINK_PHYSICAL || n == STATS_MEMBERS)
            continue;
        for (; at > 0 && out[at - 1]->index > link->index; at--)
            out[at] = out[at - 1];
        out[at] = link;
        n++;
    }
    return n;
}

void members_set(struct members *m, const struct machine *machine)
{
    const struct machine_link *links[STATS_MEMBERS];
    unsigned n = list(machine, links);

    for (unsigned i = 0; i < STATS_MEMBERS; i++)
        atomic_store_explicit(&m->links[i], i < n ? links[i]->index : 0, memory_order_relaxed);
}

int members_number(const struct members *m, int link)
{
    for (int i = 0; i < STATS_MEMBERS; i++) {
        if (atomic_load_explicit(&m->links[i], memory_order_relaxed) == link)
            return link != 0 ? i : -1;
    }
    return -1;
}

void members_describe(const struct machine *machine)
{
    const struct machine_link *links[STATS_MEMBERS];
    unsigned n = list(machine, links);

    for (unsigned i = 0; i < n; i++)
        stats_describe_member(i, links[i]->name, links[i]->node);
}
