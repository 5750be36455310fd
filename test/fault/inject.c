// SPDX-License-Identifier: Apache-2.0
//
// Preloaded into a server under test: makes every Nth call of some system calls fail or fall short.
// MILLRACE_FAULT is "CALL=WHAT/N", comma separated: WHAT is `short` or an errno's number. Sends on
// anything but a TCP socket (logs, the process tree) pass untouched. Calls by way of syscall(2) are
// seen as well. The name of a fault is written to the file MILLRACE_FAULT_SEEN when it strikes
// first, so that a test can tell that it did.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SHORT = -1 };

struct fault {
    const char *name;
    int what; // 0: none, SHORT, or an errno
    unsigned every;
    atomic_uint calls;
    atomic_bool seen;
};

static int seen_fd = -1;

static struct fault faults[] = {
    {.name = "sendfile"}, {.name = "send"}, {.name = "read"},
};

static void read_one(char *text)
{
    char *what = strchr(text, '=');
    char *every = what != NULL ? strchr(what, '/') : NULL;

    if (every == NULL)
        return;
    *what++ = *every++ = '\0';
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (strcmp(faults[i].name, text) != 0)
            continue;
        faults[i].what = strcmp(what, "short") == 0 ? SHORT : atoi(what);
        faults[i].every = (unsigned)atoi(every);
    }
}

__attribute__((constructor)) static void read_faults(void)
{
    static char text[256];
    char *save = NULL;

    snprintf(text, sizeof(text), "%s", getenv("MILLRACE_FAULT") ? getenv("MILLRACE_FAULT") : "");
    if (getenv("MILLRACE_FAULT_SEEN") != NULL)
        seen_fd = open(getenv("MILLRACE_FAULT_SEEN"), O_WRONLY | O_APPEND | O_CLOEXEC);
    for (char *one = strtok_r(text, ",", &save); one != NULL; one = strtok_r(NULL, ",", &save))
        read_one(one);
}

// Only connections of clients: the process tree talks over socket pairs of its own.
static int is_client(int fd)
{
    int domain = 0;
    socklen_t length = sizeof(domain);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 &&
           (domain == AF_INET || domain == AF_INET6);
}

// 0: let the call through; otherwise SHORT or the errno to fail with.
static int due(struct fault *fault)
{
    if (fault->what == 0 || fault->every == 0)
        return 0;
    if (atomic_fetch_add(&fault->calls, 1) % fault->every != fault->every - 1)
        return 0;
    if (!atomic_exchange(&fault->seen, true))
        dprintf(seen_fd, "%s\n", fault->name);
    return fault->what;
}

static size_t shorter(size_t length)
{
    return length > 1 ? length / 2 : length;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t sendfile(int out, int in, off_t *offset, size_t count)
{
    int what = due(&faults[0]);

    if (what > 0) {
        errno = what;
        return -1;
    }
    return REAL(sendfile)(out, in, offset, what == SHORT ? shorter(count) : count);
}

ssize_t sendfile64(int out, int in, off64_t *offset, size_t count)
{
    return sendfile(out, in, offset, count);
}

ssize_t send(int fd, const void *data, size_t length, int flags)
{
    int what = is_client(fd) ? due(&faults[1]) : 0;

    if (what > 0) {
        errno = what;
        return -1;
    }
    return REAL(send)(fd, data, what == SHORT ? shorter(length) : length, flags);
}

// A short vector write sends half of its first element.
static ssize_t vector_send(int fd, const struct iovec *iov, int count, int flags)
{
    struct msghdr message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count};

    return REAL(sendmsg)(fd, &message, flags);
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
    int what = is_client(fd) ? due(&faults[1]) : 0;

    if (what > 0) {
        errno = what;
        return -1;
    }
    if (what == SHORT && count > 0) {
        struct iovec half = {.iov_base = iov->iov_base, .iov_len = shorter(iov->iov_len)};
        return vector_send(fd, &half, 1, 0);
    }
    return REAL(writev)(fd, iov, count);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    int what = is_client(fd) ? due(&faults[1]) : 0;

    if (what > 0) {
        errno = what;
        return -1;
    }
    if (what == SHORT && message->msg_iovlen > 0) {
        struct iovec half = {.iov_base = message->msg_iov->iov_base,
                             .iov_len = shorter(message->msg_iov->iov_len)};
        return vector_send(fd, &half, 1, flags);
    }
    return REAL(sendmsg)(fd, message, flags);
}

// Reads of files: residency probes and the copying path. Short reads are legal, failures are EIO.
static ssize_t failed_read(int what)
{
    errno = what;
    return -1;
}

ssize_t pread64(int fd, void *data, size_t length, off64_t offset)
{
    int what = due(&faults[2]);

    if (what > 0)
        return failed_read(what);
    return REAL(pread64)(fd, data, what == SHORT ? shorter(length) : length, offset);
}

ssize_t pread(int fd, void *data, size_t length, off_t offset)
{
    return pread64(fd, data, length, offset);
}

ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
    int what = due(&faults[2]);

    if (what > 0)
        return failed_read(what);
    if (what == SHORT && count > 0) {
        struct iovec half = {.iov_base = iov->iov_base, .iov_len = shorter(iov->iov_len)};
        return REAL(preadv2)(fd, &half, 1, offset, flags);
    }
    return REAL(preadv2)(fd, iov, count, offset, flags);
}

ssize_t preadv64v2(int fd, const struct iovec *iov, int count, off64_t offset, int flags)
{
    return preadv2(fd, iov, count, offset, flags);
}

long syscall(long number, ...)
{
    va_list args;
    long a[6];

    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    switch (number) {
    case SYS_sendto:
        return send((int)a[0], (void *)a[1], (size_t)a[2], (int)a[3]);
    case SYS_sendmsg:
        return sendmsg((int)a[0], (struct msghdr *)a[1], (int)a[2]);
    case SYS_preadv2:
        return preadv2((int)a[0], (struct iovec *)a[1], (int)a[2], (off_t)a[3], (int)a[5]);
    default:
        return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    }
}
