// SPDX-License-Identifier: Apache-2.0
//
// Is a part of a file in the page cache, and bringing it there without waiting: sendfile(2) blocks
// on the disk even on a non-blocking socket, so a worker asks first.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/compiler.h"
#include "lib/ring/ring.h"

// True when [off, off+len) can be sent without waiting for the disk, by cachestat(2) and preadv2(2)
// with RWF_NOWAIT at its ends; where the kernel has no cachestat, or refuses it for this file, by
// RWF_NOWAIT reads of one byte at every RESIDENCY_STRIDE. A miss starts the read-ahead in the
// caller's context (on the worker's own node). False also when the file is shorter than off+len or
// cannot be probed: fetch then tells. After a fetch of [off, off+n) has succeeded, send those n
// bytes without asking again: a file system that cannot be probed would never say yes.
#define RESIDENCY_STRIDE (32u << 10)
bool file_resident(const struct ring_features *f, int fd, uint64_t off, uint64_t len);

// How many bytes of [off, off+len) are in the page cache or on their way into it (cachestat(2)). 0,
// or -errno where the kernel does not say: -ENOSYS before 6.5, -EPERM for another's file.
must_check int file_resident_bytes(int fd, uint64_t off, uint64_t len, uint64_t *bytes);

// Reads up to `len` bytes at once from the page cache: a count (which may be short where residency
// ends), 0 at the end of the file, -EAGAIN when they are not resident (read-ahead is started),
// other -errno (-EOPNOTSUPP: the file system cannot tell).
ssize_t file_read_cached(int fd, void *buf, size_t len, uint64_t off);

// Queues a read on the ring whose completion means "resident now" (res > 0), "the file ends before"
// (0), or -errno. The bytes go to a scratch area that all fetches share, whose content means
// nothing. `len` at most RESIDENCY_FETCH_MAX; longer is cut. op->done must be set.
#define RESIDENCY_FETCH_MAX (256u << 10)
// 0 or -EBUSY as ring_read().
must_check int file_fetch(struct ring *r, struct op *op, int fd, uint64_t off, unsigned len);
