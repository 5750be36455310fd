// SPDX-License-Identifier: Apache-2.0
//
// The CPU bandwidth of the control group: a container with two CPUs' worth of time on a machine
// with 64 must not start 64 workers. Every ancestor's limit counts (cgroups(7)).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/topo/topo_priv.h"

#define PATH_SIZE 4096

static unsigned round_up(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return 0;
    return (unsigned)((quota + period - 1) / period);
}

static unsigned smaller_limit(unsigned a, unsigned b)
{
    if (a == 0 || b == 0)
        return a + b;
    return min_of(a, b);
}

// "QUOTA PERIOD" of version 2, or "max PERIOD".
static unsigned read_v2(const char *dir)
{
    char path[PATH_SIZE + 16];
    long long quota, period;
    unsigned limit = 0;

    snprintf(path, sizeof(path), "%s/cpu.max", dir);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%lld %lld", &quota, &period) == 2)
        limit = round_up(quota, period);
    fclose(f);
    return limit;
}

static long long read_number(const char *dir, const char *file)
{
    char path[PATH_SIZE + 32];
    long long value;

    snprintf(path, sizeof(path), "%s/%s", dir, file);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return -1;
    if (fscanf(f, "%lld", &value) != 1)
        value = -1;
    fclose(f);
    return value;
}

static unsigned read_v1(const char *dir)
{
    return round_up(read_number(dir, "cpu.cfs_quota_us"), read_number(dir, "cpu.cfs_period_us"));
}

// The limit at `group` and at each of its ancestors, below `mount`. In a container the group's path
// may be the host's, which is not there: then the mount is the group.
static unsigned smallest_upwards(const char *mount, const char *group,
                                 unsigned (*read)(const char *dir))
{
    char dir[PATH_SIZE];
    size_t stop = strlen(mount);
    unsigned limit = 0;

    if (snprintf(dir, sizeof(dir), "%s%s", mount, group) >= (int)sizeof(dir))
        return read(mount);
    for (;;) {
        limit = smaller_limit(limit, read(dir));
        char *slash = strrchr(dir, '/');
        if (slash == NULL || (size_t)(slash - dir) < stop)
            return limit;
        *slash = '\0';
    }
}

// Is "cpu" one of the comma-separated controllers?
static bool has_cpu(char *controllers)
{
    for (char *save, *w = strtok_r(controllers, ",", &save); w != NULL;
         w = strtok_r(NULL, ",", &save)) {
        if (strcmp(w, "cpu") == 0)
            return true;
    }
    return false;
}

// One line of /proc/PID/cgroup: "ID:CONTROLLERS:PATH".
static unsigned line_limit(char *line, const char *root)
{
    static const char *const v1_mounts[] = {"cpu", "cpu,cpuacct", "cpuacct,cpu"};
    char mount[PATH_SIZE / 2];
    unsigned limit = 0;

    char *controllers = strchr(line, ':');
    char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (path == NULL)
        return 0;
    *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';
    controllers++;
    if (*controllers == '\0')
        return smallest_upwards(root, path, read_v2);
    if (!has_cpu(controllers))
        return 0;
    for (size_t i = 0; i < array_len(v1_mounts) && limit == 0; i++) {
        snprintf(mount, sizeof(mount), "%s/%s", root, v1_mounts[i]);
        limit = smallest_upwards(mount, path, read_v1);
    }
    return limit;
}

unsigned topo_cgroup_quota(const char *proc_cgroup, const char *root)
{
    FILE *f = fopen(proc_cgroup, "re");
    char *line = NULL;
    size_t size = 0;
    unsigned limit = 0;

    if (f == NULL)
        return 0;
    while (getline(&line, &size, f) > 0)
        limit = smaller_limit(limit, line_limit(line, root));
    free(line);
    fclose(f);
    return limit;
}
