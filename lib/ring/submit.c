// SPDX-License-Identifier: Apache-2.0
//
// Preparing operations. Nothing here enters the kernel unless the submission queue is full: what
// one turn prepared goes in with the next turn's single io_uring_enter(2).
#include <errno.h>
#include <sys/socket.h>

#include "lib/base/check.h"
#include "lib/ring/ring_priv.h"

struct io_uring_sqe *ring_sqe(struct ring *r)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->uring);

    if (likely(sqe != NULL))
        return sqe;
    // With SUBMIT_ALL a bad entry does not hold up those behind it, so that one pass empties the
    // queue unless the kernel is out of memory.
    (void)io_uring_submit(&r->uring);
    return io_uring_get_sqe(&r->uring);
}

// After the io_uring_prep_ function, which clears user_data in older liburing.
static int commit(struct io_uring_sqe *sqe, struct op *op)
{
    sqe->user_data = (uintptr_t)op;
    op->in_flight = true;
    return 0;
}

static struct io_uring_sqe *take(struct ring *r, const struct op *op)
{
    check_magic(r, RING_MAGIC);
    check_magic(op, OP_MAGIC);
    check(!op->in_flight);
    return ring_sqe(r);
}

void ring_submit(struct ring *r)
{
    check_magic(r, RING_MAGIC);
    // An error is seen again, and handled, by the next turn.
    (void)io_uring_submit(&r->uring);
}

int ring_accept(struct ring *r, struct op *op, int listen_fd)
{
    const int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    struct io_uring_sqe *sqe = take(r, op);

    if (sqe == NULL)
        return -EBUSY;
    if (r->features.accept_multishot)
        io_uring_prep_multishot_accept(sqe, listen_fd, NULL, NULL, flags);
    else
        io_uring_prep_accept(sqe, listen_fd, NULL, NULL, flags);
    return commit(sqe, op);
}

int ring_recv(struct ring *r, struct op *op, int fd)
{
    struct io_uring_sqe *sqe = take(r, op);

    if (sqe == NULL)
        return -EBUSY;
    if (r->features.recv_multishot)
        io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    else
        io_uring_prep_recv(sqe, fd, NULL, RING_BUFFER_SIZE, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = RING_BUFFER_GROUP;
    return commit(sqe, op);
}

int ring_poll(struct ring *r, struct op *op, int fd, unsigned events)
{
    struct io_uring_sqe *sqe = take(r, op);

    if (sqe == NULL)
        return -EBUSY;
    io_uring_prep_poll_add(sqe, fd, events);
    return commit(sqe, op);
}

int ring_read(struct ring *r, struct op *op, int fd, void *buf, unsigned len, uint64_t off)
{
    struct io_uring_sqe *sqe = take(r, op);

    if (sqe == NULL)
        return -EBUSY;
    io_uring_prep_read(sqe, fd, buf, len, off);
    return commit(sqe, op);
}

int ring_write(struct ring *r, struct op *op, int fd, const void *buf, unsigned len, uint64_t off)
{
    struct io_uring_sqe *sqe = take(r, op);

    if (sqe == NULL)
        return -EBUSY;
    io_uring_prep_write(sqe, fd, buf, len, off);
    return commit(sqe, op);
}

int ring_openat2(struct ring *r, struct op *op, int dir_fd, const char *path, struct open_how *how)
{
    struct io_uring_sqe *sqe = take(r, op);

    if (sqe == NULL)
        return -EBUSY;
    io_uring_prep_openat2(sqe, dir_fd, path, how);
    return commit(sqe, op);
}

int ring_fadvise(struct ring *r, struct op *op, int fd, uint64_t off, uint64_t len, int advice)
{
    struct io_uring_sqe *sqe;

    // A length of the operation has 32 bits before Linux 6.10; 0 would be "to the end".
    if (len == 0 || len > UINT32_MAX)
        return -EINVAL;
    sqe = take(r, op);
    if (sqe == NULL)
        return -EBUSY;
    io_uring_prep_fadvise(sqe, fd, off, (uint32_t)len, advice);
    return commit(sqe, op);
}

int ring_cancel_now(struct ring *r, const struct op *op)
{
    struct io_uring_sync_cancel_reg reg = {
        .addr = (uintptr_t)op,
        .fd = -1,
        .timeout = {.tv_sec = 0, .tv_nsec = 0},
    };

    return io_uring_register_sync_cancel(&r->uring, &reg);
}

// The entry names the op by its address only, and the queue is worked through in order: when the op
// completes before the entry is seen and its owner arms it again, the new one comes behind it.
void ring_cancel(struct ring *r, struct op *op)
{
    struct io_uring_sqe *sqe;

    check_magic(r, RING_MAGIC);
    check_magic(op, OP_MAGIC);
    if (!op->in_flight)
        return;
    sqe = ring_sqe(r);
    if (unlikely(sqe == NULL)) {
        // A cancellation must not get lost, as somebody waits for its effect.
        (void)ring_cancel_now(r, op);
        return;
    }
    io_uring_prep_cancel64(sqe, (uintptr_t)op, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = RING_IGNORE;
}

void ring_buffer_return(struct ring *r, uint32_t flags)
{
    check((flags & IORING_CQE_F_BUFFER) != 0);
    io_uring_buf_ring_add(r->buffers, ring_buffer(r, flags), RING_BUFFER_SIZE,
                          (unsigned short)(flags >> IORING_CQE_BUFFER_SHIFT),
                          io_uring_buf_ring_mask(RING_BUFFER_COUNT), 0);
    io_uring_buf_ring_advance(r->buffers, 1);
}
