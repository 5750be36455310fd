// SPDX-License-Identifier: Apache-2.0
//
// Probing the page cache and filling it. Nothing here waits for a disk; what must wait is given to
// the ring.
#include "lib/file/residency.h"

#include <errno.h>
#include <linux/magic.h>
#include <linux/mman.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/base/compiler.h"
#include "lib/base/sys.h"

// Where fetched bytes go. Shared by all threads on purpose: nobody reads it, and the one copy stays
// in the processor's cache instead of displacing what is being served.
static char scratch[RESIDENCY_FETCH_MAX];

// Files that live in memory know no RWF_NOWAIT and need none. (What tmpfs has swapped out is taken
// for resident; a server whose files are swapped out has other worries.)
static bool memory_backed(int fd)
{
    struct statfs fs;

    if (fstatfs(fd, &fs) != 0)
        return false;
    return fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC;
}

ssize_t file_read_cached(int fd, void *buf, size_t len, uint64_t off)
{
    struct iovec iov = {.iov_base = buf, .iov_len = len};
    ssize_t n;

    do {
        n = sys->preadv2(fd, &iov, 1, (off_t)off, RWF_NOWAIT);
        if (n < 0 && errno == EOPNOTSUPP && memory_backed(fd))
            n = sys->preadv2(fd, &iov, 1, (off_t)off, 0);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

// 1: the byte can be read now. 0: the file ends before it. -errno as file_read_cached().
static ssize_t probe(int fd, uint64_t off)
{
    char byte;

    return file_read_cached(fd, &byte, 1, off);
}

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_UNKNOWN };

// Kernels from 6.14, and fixed older ones, answer only for files that the caller owns or may write.
// A worker that serves another user's files would then ask in vain every time, so a thread that was
// refused asks no more: the strides tell as well.
static enum answer ask_cachestat(int fd, uint64_t off, uint64_t len)
{
    static _Thread_local bool refused;
    static _Thread_local uint64_t page;
    struct cachestat_range range = {.off = off, .len = len};
    struct cachestat st = {0};

    if (refused)
        return ANSWER_UNKNOWN;
    if (sys->cachestat(fd, &range, &st, 0) != 0) {
        refused = errno == EPERM || errno == ENOSYS;
        return ANSWER_UNKNOWN;
    }
    if (page == 0)
        page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t pages = (off + len - 1) / page - off / page + 1;
    return st.nr_cache >= pages ? ANSWER_YES : ANSWER_NO;
}

static bool resident_by_strides(int fd, uint64_t off, uint64_t len)
{
    for (uint64_t at = RESIDENCY_STRIDE; at < len; at += RESIDENCY_STRIDE) {
        if (probe(fd, off + at) != 1)
            return false;
    }
    return true;
}

bool file_resident(const struct ring_features *f, int fd, uint64_t off, uint64_t len)
{
    uint64_t last;

    if (len == 0)
        return true;
    if (__builtin_add_overflow(off, len - 1, &last) || last > INT64_MAX)
        return false;
    // The first byte comes first, so that a miss starts the read-ahead where it will be needed.
    ssize_t first = probe(fd, off);
    enum answer answer = ANSWER_UNKNOWN;
    if (first != 1 && first != -EOPNOTSUPP)
        return false;
    if (f->cachestat)
        answer = ask_cachestat(fd, off, len);
    // Some file systems (FUSE, NFS) cannot be read with RWF_NOWAIT at all.
    if (first == -EOPNOTSUPP || answer == ANSWER_NO)
        return answer == ANSWER_YES;
    // A page counts as cached while it is still being read: the last one is the last to arrive.
    if (last != off && probe(fd, last) != 1)
        return false;
    return answer == ANSWER_YES || resident_by_strides(fd, off, len);
}

int file_resident_bytes(int fd, uint64_t off, uint64_t len, uint64_t *bytes)
{
    struct cachestat_range range = {.off = off, .len = len};
    struct cachestat st = {0};

    if (sys->cachestat(fd, &range, &st, 0) != 0)
        return -errno;
    *bytes = min_of(st.nr_cache * (uint64_t)sysconf(_SC_PAGESIZE), len);
    return 0;
}

int file_fetch(struct ring *r, struct op *op, int fd, uint64_t off, unsigned len)
{
    return ring_read(r, op, fd, scratch, min_of(len, RESIDENCY_FETCH_MAX), off);
}
