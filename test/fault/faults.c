// SPDX-License-Identifier: Apache-2.0
//
// Each entry asks what was ordered for it, and else does what the real one does.
#include "test/fault/faults.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "lib/base/compiler.h"
#include "lib/base/sys.h"

struct order {
    struct fault fault;
    unsigned seen, hits;
    unsigned long long random;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct order orders[2];

// A generator of our own, so that a failing run can be repeated.
static unsigned long long roll(struct order *o)
{
    o->random = o->random * 6364136223846793005ull + 1442695040888963407ull;
    return o->random >> 33;
}

static bool hits(struct order *o, enum fault_call call)
{
    if ((o->fault.calls & call) == 0)
        return false;
    unsigned at = o->seen++;
    if (at < o->fault.skip || (o->fault.count != 0 && at - o->fault.skip >= o->fault.count))
        return false;
    o->hits++;
    return true;
}

struct verdict {
    int err;
    size_t most;
    void (*act)(void);
};

static struct verdict judge(enum fault_call call)
{
    struct verdict v = {0, 0, NULL};

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < array_len(orders); i++) {
        struct order *o = &orders[i];
        if (!hits(o, call))
            continue;
        v = (struct verdict){o->fault.err, o->fault.most, o->fault.act};
        if (o->fault.dice)
            v.most = 1 + roll(o) % v.most;
        break;
    }
    pthread_mutex_unlock(&lock);
    return v;
}

// True: the call has failed, errno is set. `len` may be cut.
static bool fails(enum fault_call call, size_t *len)
{
    struct verdict v = judge(call);

    if (v.act != NULL)
        v.act();
    if (v.most != 0 && *len > v.most)
        *len = v.most;
    errno = v.err;
    return v.err != 0;
}

static int faulty_openat2(int dir_fd, const char *path, struct open_how *how, size_t size)
{
    size_t len = 0;

    return fails(FAULT_OPENAT2, &len) ? -1 : sys_default.openat2(dir_fd, path, how, size);
}

static int faulty_fstat(int fd, struct stat *st)
{
    size_t len = 0;

    return fails(FAULT_FSTAT, &len) ? -1 : sys_default.fstat(fd, st);
}

static ssize_t faulty_preadv2(int fd, const struct iovec *iov, int count, off_t off, int flags)
{
    struct iovec cut = *iov;

    if (fails(FAULT_PREADV2, &cut.iov_len))
        return -1;
    if (cut.iov_len != iov->iov_len)
        return sys_default.preadv2(fd, &cut, 1, off, flags);
    return sys_default.preadv2(fd, iov, count, off, flags);
}

static int faulty_cachestat(int fd, struct cachestat_range *range, struct cachestat *st,
                            unsigned flags)
{
    size_t len = 0;

    return fails(FAULT_CACHESTAT, &len) ? -1 : sys_default.cachestat(fd, range, st, flags);
}

static ssize_t faulty_sendfile(int out_fd, int in_fd, off_t *off, size_t count)
{
    return fails(FAULT_SENDFILE, &count) ? -1 : sys_default.sendfile(out_fd, in_fd, off, count);
}

static size_t total(const struct msghdr *msg)
{
    size_t n = 0;

    for (size_t i = 0; i < msg->msg_iovlen; i++)
        n += msg->msg_iov[i].iov_len;
    return n;
}

// Leaves the first `len` bytes of what the vector describes.
static size_t cut_vector(struct iovec *iov, size_t count, size_t len)
{
    size_t i = 0;

    for (; i < count && len > 0; i++) {
        iov[i].iov_len = min_of(iov[i].iov_len, len);
        len -= iov[i].iov_len;
    }
    return i;
}

static ssize_t faulty_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    struct iovec iov[64];
    struct msghdr cut = *msg;
    size_t len = total(msg);

    if (fails(FAULT_SENDMSG, &len))
        return -1;
    if (cut.msg_iovlen > array_len(iov))
        return sys_default.sendmsg(fd, msg, flags);
    memcpy(iov, msg->msg_iov, cut.msg_iovlen * sizeof(iov[0]));
    cut.msg_iov = iov;
    cut.msg_iovlen = cut_vector(iov, cut.msg_iovlen, len);
    return sys_default.sendmsg(fd, &cut, flags);
}

static ssize_t faulty_send(int fd, const void *buf, size_t len, int flags)
{
    return fails(FAULT_SEND, &len) ? -1 : sys_default.send(fd, buf, len, flags);
}

static struct sys_calls table;

void faults_install(void)
{
    table = sys_default;
    table.openat2 = faulty_openat2;
    table.fstat = faulty_fstat;
    table.preadv2 = faulty_preadv2;
    table.cachestat = faulty_cachestat;
    table.sendfile = faulty_sendfile;
    table.sendmsg = faulty_sendmsg;
    table.send = faulty_send;
    sys = &table;
}

void faults_order(const struct fault *first, const struct fault *second)
{
    pthread_mutex_lock(&lock);
    memset(orders, 0, sizeof(orders));
    orders[0].fault = *first;
    if (second != NULL)
        orders[1].fault = *second;
    pthread_mutex_unlock(&lock);
}

unsigned faults_hits(void)
{
    pthread_mutex_lock(&lock);
    unsigned n = orders[0].hits;
    pthread_mutex_unlock(&lock);
    return n;
}

unsigned faults_end(void)
{
    pthread_mutex_lock(&lock);
    unsigned n = orders[0].hits;
    memset(orders, 0, sizeof(orders));
    pthread_mutex_unlock(&lock);
    return n;
}
