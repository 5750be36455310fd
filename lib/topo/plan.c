// SPDX-License-Identifier: Apache-2.0
//
// From a machine and a number of workers to silos.
#include <errno.h>
#include <stdio.h>

#include "lib/base/check.h"
#include "lib/topo/topo_priv.h"

// Would a worker more on `a` be less crowded than on `b`?
static bool less_crowded(const struct topo_silo *a, const struct topo_silo *b)
{
    uint64_t a_cpus = (uint64_t)CPU_COUNT(&a->cpus), b_cpus = (uint64_t)CPU_COUNT(&b->cpus);

    return (a->workers + 1) * b_cpus < (b->workers + 1) * a_cpus;
}

void topo_spread(struct topo_silo *silos, unsigned count, unsigned workers, unsigned each)
{
    check(count > 0);
    for (unsigned i = 0; i < count; i++)
        silos[i].workers = each;
    for (unsigned n = each * count; n < workers; n++) {
        unsigned best = 0;

        for (unsigned i = 1; i < count; i++) {
            if (less_crowded(&silos[i], &silos[best]))
                best = i;
        }
        silos[best].workers++;
    }
}

static unsigned drop_empty(struct topo_silo *silos, unsigned count)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < count; i++) {
        if (silos[i].workers > 0)
            silos[kept++] = silos[i];
    }
    return kept;
}

// The node of a machine with one, so that the memory policy says what is true anyway.
static int only_node(const struct topo *t)
{
    for (int node = 0; node < CPU_SETSIZE; node++) {
        if (CPU_ISSET(node, &t->nodes))
            return t->node_count == 1 ? node : TOPO_NODE_ANY;
    }
    return TOPO_NODE_ANY;
}

static int choose_groups(struct topo *t, enum topo_mode mode, const struct topo_group **groups,
                         unsigned *count)
{
    int rc = mode == TOPO_L3 ? topo_need_caches(t) : 0;

    *count = 0;
    if (rc != 0)
        return rc;
    if (mode == TOPO_L3 && t->nby_l3 > 0) {
        *groups = t->by_l3;
        *count = t->nby_l3;
    } else if (mode != TOPO_NONE && t->node_count > 1) {
        *groups = t->by_node;
        *count = t->nby_node;
    }
    return 0;
}

int topo_plan(struct topo *t, enum topo_mode mode, unsigned workers, struct topo_silo *out,
              unsigned max, unsigned *count)
{
    const struct topo_group *groups = NULL;
    unsigned n;
    int rc = choose_groups(t, mode, &groups, &n);

    *count = 0;
    if (rc != 0)
        return rc;
    if (max_of(n, 1u) > max)
        return -ENOSPC;
    for (unsigned i = 0; i < n; i++)
        out[i] = (struct topo_silo){.cpus = groups[i].cpus, .node = groups[i].node};
    if (n == 0)
        out[n++] = (struct topo_silo){.cpus = t->allowed, .node = only_node(t)};
    topo_spread(out, n, max_of(workers, 1u), 0);
    *count = drop_empty(out, n);
    return 0;
}

static int check_silo(const struct topo *t, const struct topo_silo *s, cpu_set_t *taken,
                      char *why, size_t why_size)
{
    const char *what = NULL;

    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &s->cpus))
            continue;
        if (!CPU_ISSET(cpu, &t->online))
            what = "is not there";
        else if (!CPU_ISSET(cpu, &t->allowed))
            what = "is not allowed to this process";
        else if (CPU_ISSET(cpu, taken))
            what = "is given twice";
        if (what != NULL) {
            snprintf(why, why_size, "CPU %d %s", cpu, what);
            return -EINVAL;
        }
        CPU_SET(cpu, taken);
    }
    if (CPU_COUNT(&s->cpus) == 0) {
        snprintf(why, why_size, "a silo has no CPU");
        return -EINVAL;
    }
    if (s->node != TOPO_NODE_ANY &&
        (s->node < 0 || s->node >= CPU_SETSIZE || !CPU_ISSET(s->node, &t->nodes))) {
        snprintf(why, why_size, "node %d is not there", s->node);
        return -EINVAL;
    }
    return 0;
}

int topo_plan_explicit(const struct topo *t, struct topo_silo *silos, unsigned count,
                       unsigned workers, unsigned *which, char *why, size_t why_size)
{
    cpu_set_t taken;

    CPU_ZERO(&taken);
    for (unsigned i = 0; i < count; i++) {
        int rc = check_silo(t, &silos[i], &taken, why, why_size);

        if (rc != 0) {
            *which = i;
            return rc;
        }
    }
    topo_spread(silos, count, workers, 1);
    return 0;
}
