// SPDX-License-Identifier: Apache-2.0
//
// Settings of the kernel around processes and CPUs.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/doctor/doctor_priv.h"
#include "server/doctor/tree_priv.h"

#define POLICIES_MAX 1024

static bool look_uring(struct doctor *d, const struct check *c)
{
    static const char path[] = "/proc/sys/kernel/io_uring_disabled";
    int64_t disabled, group = -1;

    if (tree_number(d, &disabled, "%s", path) != 0)
        return false;
    if (disabled == 0)
        return true;
    if (tree_number(d, &group, "/proc/sys/kernel/io_uring_group") != 0)
        group = -1;
    struct finding *f = finding_add(d, c, "kernel", "io_uring_disabled is %lld",
                                    (long long)disabled);
    // Members of the group may use it: perhaps the server's user is one.
    if (f != NULL && disabled == 1 && group >= 0)
        f->severity = SEVERITY_ADVICE;
    change_file(d, f, "0", "%s", path);
    return true;
}

static bool look_balancing(struct doctor *d, const struct check *c)
{
    static const char path[] = "/proc/sys/kernel/numa_balancing";
    int64_t value;

    if (d->cpu_nodes < 2 || tree_number(d, &value, "%s", path) != 0)
        return false;
    // The other bit is for memory of several speeds, which is another matter.
    if ((value & 1) != 0)
        change_file(d, finding_add(d, c, "kernel", "numa_balancing is %lld", (long long)value),
                    (value & 2) != 0 ? "2" : "0", "%s", path);
    return true;
}

// A policy has the number of its first CPU, so that there are gaps.
static bool governor(const struct doctor *d, unsigned policy, char *text, size_t size)
{
    return tree_line(d, text, size, "/sys/devices/system/cpu/cpufreq/policy%u/scaling_governor",
                     policy) == 0;
}

static bool can_perform(const struct doctor *d, unsigned policy)
{
    char text[256];

    return tree_line(d, text, sizeof(text),
                     "/sys/devices/system/cpu/cpufreq/policy%u/scaling_available_governors",
                     policy) == 0 && strstr(text, "performance") != NULL;
}

static bool look_governor(struct doctor *d, const struct check *c)
{
    struct finding *f = NULL;
    bool looked = false;
    char now[64];

    for (unsigned p = 0; p < POLICIES_MAX; p++) {
        if (!governor(d, p, now, sizeof(now)))
            continue;
        looked = true;
        if (strcmp(now, "performance") == 0 || !can_perform(d, p))
            continue;
        if (f == NULL)
            f = finding_add(d, c, "CPUs", "the frequency governor is %s", now);
        change_file(d, f, "performance",
                    "/sys/devices/system/cpu/cpufreq/policy%u/scaling_governor", p);
    }
    return looked;
}

const struct check kernel_checks[] = {
    {"io-uring", SEVERITY_PROBLEM, PHASE_REST,
     "The server does all its waiting with io_uring. 1 refuses it to users without privileges "
     "outside of io_uring_group, 2 to everybody.",
     look_uring},
    {"numa-balancing", SEVERITY_WARNING, PHASE_REST,
     "The kernel takes pages away from processes to see on which node they are missed. Silos are "
     "bound to their nodes, so that it finds nothing and the faults are lost time.",
     look_balancing},
    {"cpu-governor", SEVERITY_ADVICE, PHASE_REST,
     "A governor that follows the load lowers the frequency between bursts of packets and is late "
     "for the next one.",
     look_governor},
    {0},
};
