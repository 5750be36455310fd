// SPDX-License-Identifier: Apache-2.0
//
// What the kernel can do, found by trying and not by its version, because distributions backport.
// The multishot flags have no bit in the kernel's own probe: a kernel that knows them gets as far
// as the bad descriptor (EBADF), one that doesn't rejects the entry first (EINVAL).
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/ring/ring_priv.h"

// Every architecture but alpha gives a new system call the same number.
#ifndef __NR_cachestat
#define __NR_cachestat 451
#endif

static int try_entry(struct ring *r, bool *known)
{
    struct io_uring_cqe *cqe;
    int rc = io_uring_submit_and_wait(&r->uring, 1);

    if (rc < 0)
        return rc;
    rc = io_uring_peek_cqe(&r->uring, &cqe);
    if (rc < 0)
        return rc;
    *known = cqe->res == -EBADF;
    io_uring_cqe_seen(&r->uring, cqe);
    return 0;
}

static int probe_multishot(struct ring *r)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->uring);
    int rc;

    check(sqe != NULL);
    io_uring_prep_multishot_accept(sqe, -1, NULL, NULL, 0);
    sqe->user_data = RING_IGNORE;
    rc = try_entry(r, &r->features.accept_multishot);
    if (rc < 0)
        return rc;

    sqe = io_uring_get_sqe(&r->uring);
    check(sqe != NULL);
    io_uring_prep_recv_multishot(sqe, -1, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = RING_BUFFER_GROUP;
    sqe->user_data = RING_IGNORE;
    return try_entry(r, &r->features.recv_multishot);
}

static bool probe_cachestat(void)
{
    // A bad descriptor is noticed before the missing range is.
    return syscall(__NR_cachestat, -1, NULL, NULL, 0) < 0 && (errno == EBADF || errno == EFAULT);
}

int ring_probe(struct ring *r)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(&r->uring);

    if (probe == NULL)
        return -ENOMEM;
    r->features.msg_ring = io_uring_opcode_supported(probe, IORING_OP_MSG_RING);
    io_uring_free_probe(probe);
    r->features.cachestat = probe_cachestat();
    return probe_multishot(r);
}

void ring_describe(const struct ring_features *f, char *out, size_t size)
{
    snprintf(out, size, "io_uring:%s%s%s%s%s",
             f->defer_taskrun ? " single_issuer defer_taskrun" : " coop_taskrun",
             f->accept_multishot ? " multishot_accept" : "",
             f->recv_multishot ? " multishot_recv" : "", f->msg_ring ? " msg_ring" : "",
             f->cachestat ? " cachestat" : "");
}
