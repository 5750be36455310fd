// SPDX-License-Identifier: Apache-2.0
//
// The undo log's file. Root acts on what it says, so that it is taken only from a plain file which
// nobody else can have written.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/doctor/undo_priv.h"

static int check_owner(int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return -EPERM;
    return st.st_size > UNDO_FILE_MAX ? -EFBIG : 0;
}

static int read_all(int fd, char *text, size_t *n)
{
    *n = 0;
    while (*n < UNDO_FILE_MAX) {
        ssize_t got = read(fd, text + *n, UNDO_FILE_MAX - *n);

        if (got < 0)
            return -errno;
        if (got == 0)
            return 0;
        *n += (size_t)got;
    }
    return -EFBIG;
}

int undo_log_load(struct undo_log *log, const char *path, unsigned *line)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char *text;
    size_t n;
    int rc;

    *line = 0;
    if (fd < 0)
        return errno == ELOOP ? -EPERM : -errno;
    text = malloc(UNDO_FILE_MAX);
    rc = text == NULL ? -ENOMEM : check_owner(fd);
    if (rc == 0)
        rc = read_all(fd, text, &n);
    if (rc == 0)
        rc = undo_log_parse(log, sv_of(text, n), line);
    free(text);
    close(fd);
    return rc;
}

static int write_all(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, text, n);

        if (written < 0)
            return -errno;
        text += written;
        n -= (size_t)written;
    }
    return fsync(fd) == 0 ? 0 : -errno;
}

static int write_new(const char *path, const char *text, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc;

    if (fd < 0)
        return -errno;
    rc = write_all(fd, text, n);
    if (close(fd) != 0 && rc == 0)
        rc = -errno;
    if (rc != 0)
        unlink(path);
    return rc;
}

static int folder_of(const char *path, char folder[PATH_MAX])
{
    if (snprintf(folder, PATH_MAX, "%s", path) >= PATH_MAX)
        return -ENAMETOOLONG;
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        strcpy(folder, ".");
    else
        slash[slash == folder] = '\0';
    return 0;
}

static int open_folder(const char *path)
{
    char folder[PATH_MAX];
    int rc = folder_of(path, folder);

    if (rc != 0)
        return rc;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

// The name has to be on the disk too before anything is changed.
static int sync_folder(const char *path)
{
    int fd = open_folder(path), rc;

    if (fd < 0)
        return fd;
    // Some file systems don't do this for folders, and don't need it.
    rc = fsync(fd) == 0 || errno == EINVAL ? 0 : -errno;
    close(fd);
    return rc;
}

static int replace(const char *path, const char *text, size_t n)
{
    char aside[PATH_MAX];
    int rc;

    if (snprintf(aside, sizeof(aside), "%s.new", path) >= (int)sizeof(aside))
        return -ENAMETOOLONG;
    // Left by a doctor that died; the lock says that none is at work.
    unlink(aside);
    rc = write_new(aside, text, n);
    if (rc == 0 && rename(aside, path) != 0) {
        rc = -errno;
        unlink(aside);
    }
    return rc != 0 ? rc : sync_folder(path);
}

int undo_log_save(const struct undo_log *log, const char *path)
{
    char *text;
    size_t n;
    int rc;

    if (log->n == 0)
        return unlink(path) == 0 || errno == ENOENT ? 0 : -errno;
    text = undo_log_format(log, &n);
    rc = text == NULL ? -ENOMEM : n > UNDO_FILE_MAX - 1 ? -EFBIG : replace(path, text, n);
    free(text);
    return rc;
}

int undo_lock(const char *path, bool make_folder)
{
    char folder[PATH_MAX];
    int rc = folder_of(path, folder);

    if (rc != 0)
        return rc;
    if (make_folder && mkdir(folder, 0755) != 0 && errno != EEXIST)
        return -errno;
    int fd = open_folder(path);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        rc = -errno;
        close(fd);
        return rc;
    }
    return fd;
}
