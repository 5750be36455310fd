// SPDX-License-Identifier: Apache-2.0
#include "server/process/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/sv.h"

int pidfile_parse(const char *text, size_t n, pid_t *pid)
{
    uint64_t value;

    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    if (sv_to_u64(sv_of(text, n), &value) != 0 || value == 0 || value > INT_MAX)
        return -EINVAL;
    *pid = (pid_t)value;
    return 0;
}

static int write_to(const char *path, int flags, const char *text, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
    ssize_t written;
    int rc = 0;

    if (fd < 0)
        return -errno;
    written = write(fd, text, n);
    if (written != (ssize_t)n)
        rc = written < 0 ? -errno : -ENOSPC;
    close(fd);
    return rc;
}

// Renaming over a device or a symbolic link that an administrator put there would remove it.
static bool may_rename_over(const char *path)
{
    struct stat st;

    return lstat(path, &st) != 0 ? errno == ENOENT : S_ISREG(st.st_mode);
}

static int write_aside(const char *path, const char *text, size_t n)
{
    char temporary[PATH_MAX];
    int rc;

    if (snprintf(temporary, sizeof(temporary), "%s.%d", path, getpid()) >= PATH_MAX)
        return -ENAMETOOLONG;
    rc = write_to(temporary, O_EXCL, text, n);
    if (rc == 0 && rename(temporary, path) != 0)
        rc = -errno;
    if (rc != 0 && rc != -EEXIST)
        unlink(temporary);
    return rc;
}

int pidfile_write(const char *path, pid_t pid)
{
    char text[32];
    size_t n = (size_t)snprintf(text, sizeof(text), "%d\n", pid);

    // A directory that takes no new file may hold one that we may write.
    if (may_rename_over(path) && write_aside(path, text, n) == 0)
        return 0;
    return write_to(path, O_TRUNC, text, n);
}

int pidfile_read(const char *path, pid_t *pid, char *text, size_t text_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    text[0] = '\0';
    if (fd < 0)
        return -errno;
    n = read(fd, text, text_size - 1);
    if (n < 0)
        n = -errno;
    close(fd);
    if (n < 0)
        return (int)n;
    text[n] = '\0';
    return pidfile_parse(text, (size_t)n, pid);
}

int pidfile_check(const char *path)
{
    char dir[PATH_MAX];
    char *slash;

    if (access(path, F_OK) == 0)
        return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0 ? -errno : 0;
    if (snprintf(dir, sizeof(dir), "%s", path) >= PATH_MAX)
        return -ENAMETOOLONG;
    slash = strrchr(dir, '/');
    if (slash == NULL)
        strcpy(dir, ".");
    else
        slash[slash == dir] = '\0';
    return faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) != 0 ? -errno : 0;
}
