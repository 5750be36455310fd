// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/topo/machine_priv.h"
#include "lib/topo/topo.h"

bool sysfs_path(char out[SYSFS_PATH_MAX], const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(out, SYSFS_PATH_MAX, fmt, args);
    va_end(args);
    if (n >= 0 && n < SYSFS_PATH_MAX)
        return true;
    out[0] = '\0';
    return false;
}

static int open_regular(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        close(fd);
        return -1;
    }
    return fd;
}

FILE *sysfs_open(const char *path)
{
    int fd = open_regular(path);
    FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;

    if (f == NULL && fd >= 0)
        close(fd);
    return f;
}

bool sysfs_line(const char *dir, const char *name, char *out, size_t size)
{
    char path[SYSFS_PATH_MAX];

    out[0] = '\0';
    if (!sysfs_path(path, "%s/%s", dir, name))
        return false;
    int fd = open_regular(path);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, out, size - 1);
    close(fd);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    return n > 0;
}

bool sysfs_number(const char *dir, const char *name, int64_t *value)
{
    char text[32], *end;

    if (!sysfs_line(dir, name, text, sizeof(text)) || text[0] == '\0')
        return false;
    errno = 0;
    *value = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0';
}

bool sysfs_cpus(const char *dir, const char *name, cpu_set_t *set)
{
    char text[4096], why[64];

    CPU_ZERO(set);
    if (!sysfs_line(dir, name, text, sizeof(text)) || text[0] == '\0')
        return false;
    if (topo_parse_cpus(sv_from(text), set, why, sizeof(why)) == 0)
        return true;
    CPU_ZERO(set);
    return false;
}

bool sysfs_dev(const char *dir, dev_t *dev)
{
    char line[32], end;
    unsigned major_number, minor_number;

    if (!sysfs_line(dir, "dev", line, sizeof(line)) ||
        sscanf(line, "%u:%u%c", &major_number, &minor_number, &end) != 2)
        return false;
    *dev = makedev(major_number, minor_number);
    return true;
}

bool sysfs_exists(const char *dir, const char *name)
{
    char path[SYSFS_PATH_MAX];

    return sysfs_path(path, "%s/%s", dir, name) && access(path, F_OK) == 0;
}

static int compare(const void *a, const void *b)
{
    return strverscmp(a, b);
}

// One name more, in steps that double.
static int append(sysfs_name **names, unsigned *count, const char *name)
{
    if ((*count & (*count - 1)) == 0) {
        size_t room = *count == 0 ? 1 : (size_t)*count * 2;
        sysfs_name *more = realloc(*names, room * sizeof(**names));

        if (more == NULL)
            return -ENOMEM;
        *names = more;
    }
    strcpy((*names)[(*count)++], name); // its length was looked at
    return 0;
}

int sysfs_names(const char *dir, const char *prefix, unsigned max, sysfs_name **out,
                unsigned *count)
{
    DIR *d = opendir(dir);
    int rc = 0;

    *out = NULL;
    *count = 0;
    if (d == NULL)
        return -errno;
    for (struct dirent *e; rc == 0 && *count < max && (e = readdir(d)) != NULL;) {
        if (e->d_name[0] != '.' && strlen(e->d_name) < SYSFS_NAME_MAX &&
            strncmp(e->d_name, prefix, strlen(prefix)) == 0)
            rc = append(out, count, e->d_name);
    }
    closedir(d);
    if (rc != 0) {
        free(*out);
        *out = NULL;
        *count = 0;
    }
    if (*count > 1)
        qsort(*out, *count, sizeof(**out), compare);
    return rc;
}

// The real path of what is below ROOT/sys; malloc'd. NULL when it is elsewhere: a link in a
// captured tree may point anywhere.
static char *real_path_below(const char *root, const char *dir, size_t *stop)
{
    char sys[SYSFS_PATH_MAX];
    char *top = sysfs_path(sys, "%s/sys", root) ? realpath(sys, NULL) : NULL;
    char *path = top != NULL ? realpath(dir, NULL) : NULL;

    *stop = top != NULL ? strlen(top) : 0;
    if (path != NULL && (strncmp(path, top, *stop) != 0 || path[*stop] != '/')) {
        free(path);
        path = NULL;
    }
    free(top);
    return path;
}

int sysfs_device_node(const char *root, const char *dir)
{
    int node = MACHINE_NODE_UNKNOWN;
    size_t stop;
    char *path = real_path_below(root, dir, &stop);
    int64_t value;

    while (path != NULL && node < 0 && strlen(path) > stop) {
        if (sysfs_number(path, "numa_node", &value) && value >= 0 && value < INT_MAX)
            node = (int)value;
        *strrchr(path, '/') = '\0';
    }
    free(path);
    return node;
}
