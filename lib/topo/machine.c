// SPDX-License-Identifier: Apache-2.0
//
// The whole picture, and looking things up in it.
#include "lib/topo/machine.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/topo/machine_priv.h"

int machine_load(struct machine *m, const char *root)
{
    int rc = machine_load_nodes(m, root);

    if (rc != 0)
        return rc;
    rc = machine_reload_links(m);
    if (rc == 0)
        rc = machine_load_disks(m);
    if (rc != 0)
        machine_free(m);
    return rc;
}

void machine_free(struct machine *m)
{
    free(m->root);
    free(m->nodes);
    free(m->links);
    free(m->disks);
    *m = (struct machine){.root = NULL};
}

int machine_reload_links(struct machine *m)
{
    struct machine_link *links;
    unsigned count;
    int rc = machine_read_links(m, &links, &count);

    if (rc != 0)
        return rc;
    free(m->links);
    m->links = links;
    m->nlinks = count;
    return 0;
}

int machine_plausible_node(const struct machine *m, int node)
{
    if (m->nnodes == 1)
        return m->nodes[0].id;
    for (unsigned i = 0; i < m->nnodes; i++) {
        if (m->nodes[i].id == node)
            return node;
    }
    return MACHINE_NODE_UNKNOWN;
}

const struct machine_link *machine_link(const struct machine *m, int index)
{
    for (unsigned i = 0; i < m->nlinks; i++) {
        if (m->links[i].index == index)
            return &m->links[i];
    }
    return NULL;
}

const struct machine_link *machine_link_named(const struct machine *m, const char *name)
{
    for (unsigned i = 0; i < m->nlinks; i++) {
        if (strcmp(m->links[i].name, name) == 0)
            return &m->links[i];
    }
    return NULL;
}

int machine_cpu_node(const struct machine *m, int cpu)
{
    for (unsigned i = 0; i < m->nnodes && cpu >= 0 && cpu < CPU_SETSIZE; i++) {
        if (CPU_ISSET(cpu, &m->nodes[i].cpus))
            return m->nodes[i].id;
    }
    return MACHINE_NODE_UNKNOWN;
}

int machine_cpu_l3(const struct machine *m, int cpu)
{
    char dir[SYSFS_PATH_MAX];
    int64_t id;

    if (!sysfs_path(dir, "%s/sys/devices/system/cpu/cpu%d/cache/index3", m->root, cpu) ||
        !sysfs_number(dir, "id", &id) || id < 0 || id > INT16_MAX)
        return -1;
    return (int)id;
}

// A walk down the interfaces. Each is entered once, so that interfaces which claim to be below each
// other end it too.
struct walk {
    const struct machine *m;
    const struct machine_link **out;
    unsigned count, max;
    uint8_t seen[MACHINE_LINKS_MAX / CHAR_BIT];
};

static bool enter(struct walk *w, const struct machine_link *link)
{
    size_t i = (size_t)(link - w->m->links);
    uint8_t bit = (uint8_t)(1u << (i % CHAR_BIT));

    if (i >= MACHINE_LINKS_MAX || (w->seen[i / CHAR_BIT] & bit) != 0)
        return false;
    w->seen[i / CHAR_BIT] |= bit;
    return true;
}

static bool comes_before(const struct machine_link *a, const struct machine_link *b)
{
    return a->position != b->position ? a->position < b->position : a->index < b->index;
}

// The member of `master` that follows `last` (NULL: the first).
static const struct machine_link *next_member(const struct machine *m, int master,
                                              const struct machine_link *last)
{
    const struct machine_link *best = NULL;

    for (unsigned i = 0; i < m->nlinks; i++) {
        const struct machine_link *l = &m->links[i];

        if (l->master == master && (last == NULL || comes_before(last, l)) &&
            (best == NULL || comes_before(l, best)))
            best = l;
    }
    return best;
}

#define WALK_DEPTH_MAX 16 // the kernel itself nests no deeper than 8

static void descend(struct walk *w, const struct machine_link *link, unsigned depth)
{
    if (link == NULL || w->count == w->max || depth == WALK_DEPTH_MAX || !enter(w, link))
        return;
    if (link->kind == LINK_PHYSICAL) {
        w->out[w->count++] = link;
        return;
    }
    if (link->lower != 0)
        descend(w, machine_link(w->m, link->lower), depth + 1);
    if (link->kind != LINK_BOND && link->kind != LINK_BRIDGE)
        return;
    for (const struct machine_link *l = next_member(w->m, link->index, NULL); l != NULL;
         l = next_member(w->m, link->index, l))
        descend(w, l, depth + 1);
}

unsigned machine_members(const struct machine *m, const struct machine_link *link,
                         const struct machine_link **out, unsigned max)
{
    struct walk w = {.m = m, .out = out, .max = max};

    descend(&w, link, 0);
    return w.count;
}
