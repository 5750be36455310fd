// SPDX-License-Identifier: Apache-2.0
//
// What the kernel says about CPUs and nodes, and which of them the process may use.
#include "lib/topo/topo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/topo/machine_priv.h"
#include "lib/topo/topo_priv.h"

// The line "Cpus_allowed_list:" of a captured ROOT/proc/self/status, when there is one.
static void read_captured_allowed(struct topo *t, const struct machine *m)
{
    static const char label[] = "Cpus_allowed_list:";
    char path[SYSFS_PATH_MAX], line[4096], why[64];
    cpu_set_t cpus;
    FILE *f = sysfs_path(path, "%s/proc/self/status", m->root) ? sysfs_open(path) : NULL;

    for (unsigned i = 0; f != NULL && i < 1000 && fgets(line, sizeof(line), f) != NULL; i++) {
        if (strncmp(line, label, strlen(label)) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        if (topo_parse_cpus(sv_trim(sv_from(line + strlen(label))), &cpus, why, sizeof(why)) == 0)
            CPU_AND(&t->allowed, &t->online, &cpus);
        break;
    }
    if (f != NULL)
        fclose(f);
    if (CPU_COUNT(&t->allowed) == 0)
        t->allowed = t->online; // a list that belongs to some other machine
}

static int read_allowed(struct topo *t, const struct machine *m)
{
    t->allowed = t->online;
    if (m->root[0] != '\0')
        read_captured_allowed(t, m);
    else if (sched_getaffinity(0, sizeof(t->allowed), &t->allowed) != 0)
        return -errno;
    CPU_OR(&t->online, &t->online, &t->allowed);
    t->nallowed = (unsigned)CPU_COUNT(&t->allowed);
    return t->nallowed > 0 ? 0 : -ENODEV;
}

static void read_quota(struct topo *t, const struct machine *m)
{
    char proc[SYSFS_PATH_MAX], groups[SYSFS_PATH_MAX];

    if (sysfs_path(proc, "%s/proc/self/cgroup", m->root) &&
        sysfs_path(groups, "%s/sys/fs/cgroup", m->root))
        t->quota = topo_cgroup_quota(proc, groups);
}

int topo_load_machine(struct topo *t, const struct machine *m)
{
    int rc;

    *t = (struct topo){0};
    for (unsigned i = 0; i < m->nnodes; i++) {
        CPU_OR(&t->online, &t->online, &m->nodes[i].cpus);
        CPU_SET(m->nodes[i].id, &t->nodes);
    }
    t->node_count = CPU_COUNT(&t->nodes);
    rc = read_allowed(t, m);
    if (rc == 0)
        rc = topo_read_nodes(t, m);
    t->root = rc == 0 ? strdup(m->root) : NULL;
    if (t->root == NULL) {
        topo_destroy(t);
        return rc != 0 ? rc : -ENOMEM;
    }
    read_quota(t, m);
    return 0;
}

int topo_load(struct topo *t)
{
    struct machine_node only = {.id = 0};
    struct machine m, bare = {.root = "", .nodes = &only, .nnodes = 1};
    int rc = machine_load_nodes(&m, "");

    // Without sysfs (some containers have none) there is still the affinity.
    if (rc == -ENOENT)
        return topo_load_machine(t, &bare);
    if (rc != 0)
        return rc;
    rc = topo_load_machine(t, &m);
    machine_free(&m);
    return rc;
}

void topo_destroy(struct topo *t)
{
    free(t->root);
    free(t->by_node);
    free(t->by_l3);
    *t = (struct topo){0};
}

unsigned topo_auto_workers(const struct topo *t)
{
    unsigned n = t->nallowed;

    if (t->quota > 0 && t->quota < n)
        n = t->quota;
    return n > 0 ? n : 1;
}
