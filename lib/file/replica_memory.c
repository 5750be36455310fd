// SPDX-License-Identifier: Apache-2.0
//
// The memory of a replica store: a memfd whose pages come from one node.
//
// Bound, not preferred: a preferred node that has little free memory is passed over for another
// one before anything is reclaimed on it, and on a video server the page cache always fills
// a node. Bound memory makes the node give up page cache, which is what we want; but when there is
// none left to give up, the kernel kills somebody. So the node is asked first what it could give.
//
// Huge pages are kept out: a slot is less than one, and where a hole in a huge page cannot be cut
// out the kernel writes zeros into it, which a socket might still have to send.
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <numaif.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/file/replica_priv.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define LONG_BITS (8 * sizeof(unsigned long))
#define SPARE_KB (64ull << 10) // memory that a node keeps, and a part of its memory:
#define SPARE_PART 64

static int open_memfd(void)
{
    int fd = memfd_create("millrace-replica", MFD_CLOEXEC | MFD_NOEXEC_SEAL);

    // Before Linux 6.3 the flag is not known.
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("millrace-replica", MFD_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

static int open_meminfo(int node)
{
    char path[64];

    if (node < 0)
        return -1;
    snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
    return open(path, O_RDONLY | O_CLOEXEC);
}

// The policy stays with the memfd when the mapping goes. Without a word from the node about its
// memory, binding is too dangerous.
static int bind_to(const struct replica_memory *m, int node, size_t bytes)
{
    unsigned long mask[CPU_SETSIZE / LONG_BITS] = {0};
    int mode = m->meminfo >= 0 ? MPOL_BIND : MPOL_PREFERRED;

    if (node >= CPU_SETSIZE)
        return -EINVAL;
    mask[(size_t)node / LONG_BITS] = 1ul << ((size_t)node % LONG_BITS);
    void *p = mmap(NULL, bytes, PROT_READ, MAP_SHARED, m->fd, 0);
    if (p == MAP_FAILED)
        return -errno;
    int rc = mbind(p, bytes, mode, mask, CPU_SETSIZE, 0) == 0 ? 0 : -errno;
    munmap(p, bytes);
    return rc == -ENOSYS || rc == -EPERM ? 0 : rc;
}

int replica_memory_open(struct replica_memory *m, int node, uint32_t slots)
{
    size_t bytes = (size_t)slots * REPLICA_CHUNK;
    int rc = 0;

    m->page = (size_t)sysconf(_SC_PAGESIZE);
    m->meminfo = open_meminfo(node);
    m->fd = open_memfd();
    if (m->fd < 0)
        rc = m->fd;
    else if (ftruncate(m->fd, (off_t)bytes) != 0)
        rc = -errno;
    else if (node >= 0)
        rc = bind_to(m, node, bytes);
    if (rc != 0)
        replica_memory_close(m);
    return rc;
}

void replica_memory_close(struct replica_memory *m)
{
    if (m->fd >= 0)
        close(m->fd);
    if (m->meminfo >= 0)
        close(m->meminfo);
    m->fd = m->meminfo = -1;
}

static uint64_t kilobytes(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    return at != NULL ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static bool node_can_spare(const struct replica_memory *m)
{
    char text[4096];

    if (m->meminfo < 0)
        return true;
    ssize_t n = pread(m->meminfo, text, sizeof(text) - 1, 0);
    if (n <= 0)
        return false;
    text[n] = '\0';
    uint64_t there = kilobytes(text, "MemFree:") + kilobytes(text, "Active(file):") +
                     kilobytes(text, "Inactive(file):");
    return there > SPARE_KB + kilobytes(text, "MemTotal:") / SPARE_PART;
}

static int read_all(int fd, char *p, uint32_t len, uint64_t off)
{
    uint32_t done = 0;

    while (done < len) {
        ssize_t n = pread(fd, p + done, len - done, (off_t)(off + done));
        if (n == 0)
            return -ENODATA;
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (uint32_t)n : 0;
    }
    return 0;
}

// Mapped for as long as it takes: populating says that memory is out where a store would kill the
// process, and a hole is cut faster out of what is not mapped.
static int fill_mapped(const struct replica_memory *m, char *p, int fd, uint64_t off, uint32_t len)
{
    size_t room = (len + m->page - 1) / m->page * m->page;

    if (madvise(p, REPLICA_CHUNK, MADV_NOHUGEPAGE) != 0 && errno != EINVAL)
        return -errno;
    if (madvise(p, room, MADV_POPULATE_WRITE) != 0)
        return errno == EFAULT ? -ENOMEM : -errno;
    return read_all(fd, p, len, off);
}

int replica_memory_fill(const struct replica_memory *m, uint32_t slot, int fd, uint64_t off,
                        uint32_t len)
{
    off_t at = (off_t)slot * REPLICA_CHUNK;

    if (!node_can_spare(m))
        return -ENOMEM;
    char *p = mmap(NULL, REPLICA_CHUNK, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, at);
    if (p == MAP_FAILED)
        return -errno;
    int rc = fill_mapped(m, p, fd, off, len);
    munmap(p, REPLICA_CHUNK);
    return rc;
}

bool replica_memory_empty(const struct replica_memory *m, uint32_t slot)
{
    return fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     (off_t)slot * REPLICA_CHUNK, REPLICA_CHUNK) == 0;
}
