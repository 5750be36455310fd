// SPDX-License-Identifier: Apache-2.0
//
// The system calls that a fault test must be able to fail, behind one table of pointers. The
// program always runs on the default table; only a test puts another one there, before it starts
// what it tests. Each entry behaves as the system call does: -1 and errno, not -errno.
#pragma once

#include <linux/openat2.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

struct cachestat;       // <linux/mman.h>
struct cachestat_range;

struct sys_calls {
    int (*openat2)(int dir_fd, const char *path, struct open_how *how, size_t size);
    int (*fstat)(int fd, struct stat *st);
    int (*close)(int fd);
    ssize_t (*preadv2)(int fd, const struct iovec *iov, int count, off_t off, int flags);
    int (*cachestat)(int fd, struct cachestat_range *range, struct cachestat *st, unsigned flags);
    ssize_t (*sendfile)(int out_fd, int in_fd, off_t *off, size_t count);
    ssize_t (*sendmsg)(int fd, const struct msghdr *msg, int flags);
    ssize_t (*send)(int fd, const void *buf, size_t len, int flags);
    int (*accept4)(int fd, struct sockaddr *addr, socklen_t *len, int flags);
};

// The table of the C library and the kernel.
extern const struct sys_calls sys_default;
// What everybody calls through: `sys->send(...)`.
extern const struct sys_calls *sys;
