// SPDX-License-Identifier: Apache-2.0
//
// The walk over network interfaces, with the CPUs that should serve each.
#include "server/doctor/doctor_priv.h"
#include "server/doctor/nic_priv.h"

static const cpu_set_t *node_cpus(const struct machine *m, int node)
{
    for (unsigned i = 0; i < m->nnodes; i++) {
        if (m->nodes[i].id == node && CPU_COUNT(&m->nodes[i].cpus) > 0)
            return &m->nodes[i].cpus;
    }
    return NULL;
}

static void place(const struct doctor *d, struct nic *n)
{
    const cpu_set_t *own = node_cpus(d->machine, n->link->node);

    n->cpus = own != NULL ? *own : d->cpus;
    n->ncpus = (unsigned)CPU_COUNT(&n->cpus);
    n->placed = own != NULL && d->cpu_nodes > 1;
}

bool nic_next(const struct doctor *d, struct nic *n)
{
    while (n->next < d->machine->nlinks) {
        const struct machine_link *link = &d->machine->links[n->next++];

        if (link->kind != LINK_PHYSICAL || !link->up || CPU_COUNT(&d->cpus) == 0)
            continue;
        n->link = link;
        n->name = link->name;
        place(d, n);
        return true;
    }
    return false;
}

const char *nic_where(struct doctor *d, const struct nic *n)
{
    if (d->cpu_nodes <= 1)
        return doctor_text(d, "%s", n->name);
    if (n->link->node == MACHINE_NODE_UNKNOWN)
        return doctor_text(d, "%s (node not known)", n->name);
    return doctor_text(d, "%s (node %d)", n->name, n->link->node);
}
