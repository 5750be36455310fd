// SPDX-License-Identifier: Apache-2.0
//
// The default table of system calls. What the C library of the oldest supported system has no
// wrapper for goes through syscall(2); so do those of the hot path, because in a program with
// threads the library's wrappers open and close a cancellation point around each call (2% of a
// request).
#include "lib/base/sys.h"

#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_cachestat
#define SYS_cachestat 451 // the same number on every architecture
#endif

static int call_openat2(int dir_fd, const char *path, struct open_how *how, size_t size)
{
    return (int)syscall(SYS_openat2, dir_fd, path, how, size);
}

static int call_cachestat(int fd, struct cachestat_range *range, struct cachestat *st,
                          unsigned flags)
{
    return (int)syscall(SYS_cachestat, fd, range, st, flags);
}

_Static_assert(sizeof(long) == 8, "offsets are passed to the kernel in one register");

static ssize_t call_preadv2(int fd, const struct iovec *iov, int count, off_t off, int flags)
{
    return syscall(SYS_preadv2, fd, iov, count, off, 0, flags);
}

static ssize_t call_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    return syscall(SYS_sendmsg, fd, msg, flags);
}

static ssize_t call_send(int fd, const void *buf, size_t len, int flags)
{
    return syscall(SYS_sendto, fd, buf, len, flags, NULL, 0);
}

// The C library declares accept4 with a transparent union, which is no plain function type.
static int call_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    return accept4(fd, addr, len, flags);
}

const struct sys_calls sys_default = {
    .openat2 = call_openat2,
    .fstat = fstat,
    .close = close,
    .preadv2 = call_preadv2,
    .cachestat = call_cachestat,
    .sendfile = sendfile,
    .sendmsg = call_sendmsg,
    .send = call_send,
    .accept4 = call_accept4,
};

const struct sys_calls *sys = &sys_default;
