// SPDX-License-Identifier: Apache-2.0
//
// Reading and writing sysfs and proc, below a root.
#include "server/doctor/tree_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/sv.h"
#include "server/doctor/doctor_priv.h"

static __attribute__((format(printf, 3, 0))) int
make_path(const struct doctor *d, char path[PATH_MAX], const char *fmt, va_list args)
{
    int n = snprintf(path, PATH_MAX, "%s", d->root);
    int rest;

    if (n < 0 || n >= PATH_MAX)
        return -ENAMETOOLONG;
    rest = vsnprintf(path + n, (size_t)(PATH_MAX - n), fmt, args);
    return rest < 0 || rest >= PATH_MAX - n ? -ENAMETOOLONG : 0;
}

static int read_all(int fd, char *buf, size_t size, size_t *n)
{
    *n = 0;
    for (;;) {
        ssize_t got = read(fd, buf + *n, size - *n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return 0;
        *n += (size_t)got;
        if (*n == size)
            return -E2BIG;
    }
}

static int read_path(const char *path, char *buf, size_t size)
{
    size_t n;
    // A made-up tree may hold a pipe, which nobody shall wait for.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return -errno;
    int rc = read_all(fd, buf, size, &n);
    close(fd);
    if (rc != 0)
        return rc;
    buf[n] = '\0';
    return strlen(buf) == n ? 0 : -EINVAL;
}

int tree_read(const struct doctor *d, char *buf, size_t size, const char *fmt, ...)
{
    char path[PATH_MAX];
    va_list args;

    va_start(args, fmt);
    int rc = make_path(d, path, fmt, args);
    va_end(args);
    return rc != 0 ? rc : read_path(path, buf, size);
}

int tree_line(const struct doctor *d, char *buf, size_t size, const char *fmt, ...)
{
    char path[PATH_MAX];
    va_list args;

    va_start(args, fmt);
    int rc = make_path(d, path, fmt, args);
    va_end(args);
    if (rc == 0)
        rc = read_path(path, buf, size);
    if (rc == 0)
        buf[strcspn(buf, "\n")] = '\0';
    return rc;
}

int tree_number(const struct doctor *d, int64_t *value, const char *fmt, ...)
{
    char path[PATH_MAX], text[64], *end;
    va_list args;

    va_start(args, fmt);
    int rc = make_path(d, path, fmt, args);
    va_end(args);
    if (rc == 0)
        rc = read_path(path, text, sizeof(text));
    if (rc != 0)
        return rc;
    errno = 0;
    *value = strtoll(text, &end, 10);
    return end == text || errno != 0 || (*end != '\n' && *end != '\0') ? -EINVAL : 0;
}

bool tree_has(const struct doctor *d, const char *fmt, ...)
{
    char path[PATH_MAX];
    va_list args;

    va_start(args, fmt);
    int rc = make_path(d, path, fmt, args);
    va_end(args);
    return rc == 0 && access(path, F_OK) == 0;
}

static int compare(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

    return x < y ? -1 : x > y;
}

unsigned tree_numbers(const struct doctor *d, unsigned *out, unsigned max, const char *fmt, ...)
{
    char path[PATH_MAX];
    unsigned n = 0;
    uint64_t value;
    va_list args;

    va_start(args, fmt);
    int rc = make_path(d, path, fmt, args);
    va_end(args);
    DIR *dir = rc == 0 ? opendir(path) : NULL;
    if (dir == NULL)
        return 0;
    for (struct dirent *e; n < max && (e = readdir(dir)) != NULL;) {
        if (sv_to_u64(sv_from(e->d_name), &value) == 0 && value <= INT_MAX)
            out[n++] = (unsigned)value;
    }
    closedir(dir);
    qsort(out, n, sizeof(*out), compare);
    return n;
}

// One write, because the files of sysfs and proc take a value whole.
int tree_write(const struct doctor *d, const char *path, const char *value)
{
    char full[PATH_MAX];
    size_t n = strlen(value);

    if (snprintf(full, sizeof(full), "%s%s", d->root, path) >= (int)sizeof(full))
        return -ENAMETOOLONG;
    int fd = open(full, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    ssize_t written = write(fd, value, n);
    int rc = written < 0 ? -errno : written != (ssize_t)n ? -EIO : 0;
    if (close(fd) != 0 && rc == 0)
        rc = -errno;
    return rc;
}
