// SPDX-License-Identifier: Apache-2.0
//
// The kernel's list format for CPUs and nodes: "0-3,8".
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/topo/topo.h"

static int number(struct sv text, unsigned *value, char *why, size_t why_size)
{
    uint64_t n;
    int rc = sv_to_u64(text, &n);

    if (rc == -EINVAL) {
        snprintf(why, why_size, "\"%.*s\" is not a CPU number", SV_ARG(text));
        return -EINVAL;
    }
    if (rc != 0 || n >= CPU_SETSIZE) {
        snprintf(why, why_size, "CPU %.*s is not there", SV_ARG(text));
        return -EINVAL;
    }
    *value = (unsigned)n;
    return 0;
}

static int add_range(struct sv part, cpu_set_t *cpus, char *why, size_t why_size)
{
    ptrdiff_t dash = sv_find(part, '-');
    unsigned first, last;
    int rc = number(dash < 0 ? part : sv_take(part, (size_t)dash), &first, why, why_size);

    if (rc != 0)
        return rc;
    last = first;
    if (dash >= 0)
        rc = number(sv_skip(part, (size_t)dash + 1), &last, why, why_size);
    if (rc != 0)
        return rc;
    if (last < first) {
        snprintf(why, why_size, "CPU range \"%.*s\" runs backwards", SV_ARG(part));
        return -EINVAL;
    }
    for (unsigned cpu = first; cpu <= last; cpu++) {
        if (CPU_ISSET(cpu, cpus)) {
            snprintf(why, why_size, "CPU %u is given twice", cpu);
            return -EINVAL;
        }
        CPU_SET(cpu, cpus);
    }
    return 0;
}

void topo_format_cpus(const cpu_set_t *cpus, char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        char range[32];
        int first = cpu, n;

        if (!CPU_ISSET(cpu, cpus))
            continue;
        while (cpu + 1 < CPU_SETSIZE && CPU_ISSET(cpu + 1, cpus))
            cpu++;
        n = snprintf(range, sizeof(range), "%s%d", used > 0 ? "," : "", first);
        if (cpu > first)
            n += snprintf(range + n, sizeof(range) - (size_t)n, "-%d", cpu);
        // Room for the dots is kept, so that a cut list shows that it is one.
        if (used + (size_t)n + sizeof(",...") > size) {
            snprintf(out + used, size - used, "%s...", used > 0 ? "," : "");
            return;
        }
        memcpy(out + used, range, (size_t)n + 1);
        used += (size_t)n;
    }
}

int topo_parse_cpus(struct sv text, cpu_set_t *cpus, char *why, size_t why_size)
{
    CPU_ZERO(cpus);
    for (;;) {
        ptrdiff_t comma = sv_find(text, ',');
        struct sv part = comma < 0 ? text : sv_take(text, (size_t)comma);
        int rc = add_range(part, cpus, why, why_size);

        if (rc != 0 || comma < 0)
            return rc;
        text = sv_skip(text, (size_t)comma + 1);
    }
}
