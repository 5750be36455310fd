// SPDX-License-Identifier: Apache-2.0
//
// What the kernel says at once about CPUs and nodes, without a library.
#include "lib/topo/topo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/topo/topo_priv.h"

// A list file of sysfs, such as "0-3\n". False when it cannot be read.
static bool read_list(const char *path, cpu_set_t *set)
{
    char text[4096], why[64];
    FILE *f = fopen(path, "re");
    bool ok = false;

    if (f == NULL)
        return false;
    if (fgets(text, sizeof(text), f) != NULL) {
        text[strcspn(text, "\n")] = '\0';
        ok = topo_parse_cpus(sv_from(text), set, why, sizeof(why)) == 0;
    }
    fclose(f);
    return ok;
}

int topo_load(struct topo *t)
{
    *t = (struct topo){0};
    if (sched_getaffinity(0, sizeof(t->allowed), &t->allowed) != 0)
        return -errno;
    t->nallowed = (unsigned)CPU_COUNT(&t->allowed);
    if (!read_list("/sys/devices/system/cpu/online", &t->online))
        t->online = t->allowed;
    // A kernel without NUMA has no such file, and one node.
    if (!read_list("/sys/devices/system/node/online", &t->nodes)) {
        CPU_ZERO(&t->nodes);
        CPU_SET(0, &t->nodes);
    }
    t->node_count = CPU_COUNT(&t->nodes);
    t->quota = topo_cgroup_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    return 0;
}

void topo_destroy(struct topo *t)
{
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

int topo_mode_parse(struct sv word, enum topo_mode *mode)
{
    static const char *const names[] = {
        [TOPO_AUTO] = "auto", [TOPO_NODE] = "node", [TOPO_L3] = "l3", [TOPO_NONE] = "none"};

    for (size_t i = 0; i < array_len(names); i++) {
        if (sv_eq(word, sv_from(names[i]))) {
            *mode = (enum topo_mode)i;
            return 0;
        }
    }
    return -EINVAL;
}
