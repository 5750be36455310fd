// SPDX-License-Identifier: Apache-2.0
//
// The default table of system calls. What the C library of the oldest supported system has no
// wrapper for goes through syscall(2).
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

// The C library declares accept4 with a transparent union, which is no plain function type.
static int call_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    return accept4(fd, addr, len, flags);
}

const struct sys_calls sys_default = {
    .openat2 = call_openat2,
    .fstat = fstat,
    .close = close,
    .preadv2 = preadv2,
    .cachestat = call_cachestat,
    .sendfile = sendfile,
    .sendmsg = sendmsg,
    .send = send,
    .accept4 = call_accept4,
};

const struct sys_calls *sys = &sys_default;
