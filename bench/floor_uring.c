// SPDX-License-Identifier: Apache-2.0
//
// The floor's io_uring loop: multishot accept, multishot recv from a ring of provided buffers,
// and the answer sent either inline by system calls or, for small bodies, as an operation that
// goes in with the next wait, so that many answers share one system call.
#include "bench/floor_priv.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { ENTRIES = 4096, BUFFERS = 1024, GROUP = 0 };

// The low bits of user_data say which operation of the connection completed.
enum { TAG_RECV = 0, TAG_SEND = 1, TAG_POLL = 2, TAG_ACCEPT = 3, TAG_MASK = 3 };

static struct io_uring ring;
static struct io_uring_buf_ring *buf_ring;
static char *buffers;

static struct io_uring_sqe *get_sqe(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    if (!sqe) {
        io_uring_submit(&ring);
        sqe = io_uring_get_sqe(&ring);
    }
    return sqe;
}

static void tag(struct io_uring_sqe *sqe, struct floor_conn *c, unsigned kind)
{
    io_uring_sqe_set_data64(sqe, (uintptr_t)c | kind);
}

static void arm_accept(int listener)
{
    struct io_uring_sqe *sqe = get_sqe();

    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    tag(sqe, NULL, TAG_ACCEPT);
}

static void arm_recv(struct floor_conn *c)
{
    struct io_uring_sqe *sqe = get_sqe();

    io_uring_prep_recv_multishot(sqe, c->fd, NULL, 0, 0);
    io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
    sqe->buf_group = GROUP;
    tag(sqe, c, TAG_RECV);
}

// Ends a connection by shutting it down: the multishot recv then completes with 0 and frees it,
// unless it had ended before.
static void give_up(struct floor_conn *c)
{
    c->file = NULL;
    if (c->gone)
        floor_conn_free(c);
    else
        shutdown(c->fd, SHUT_RDWR);
}

static void wait_writable(struct floor_conn *c)
{
    struct io_uring_sqe *sqe = get_sqe();

    io_uring_prep_poll_add(sqe, c->fd, POLLOUT);
    tag(sqe, c, TAG_POLL);
}

static void after_send(struct floor_conn *c, bool ok)
{
    if (!ok || (c->gone && !c->file))
        give_up(c);
    else if (c->file)
        wait_writable(c);
}

// No completion is wanted for an answer that went out: the client's next request tells as much.
static void queue_answer(struct floor_conn *c, const struct floor_file *f)
{
    ssize_t len = floor_compose(c->out, f);
    struct io_uring_sqe *sqe;

    if (len < 0) {
        give_up(c);
        return;
    }
    sqe = get_sqe();
    io_uring_prep_send(sqe, c->fd, c->out, (size_t)len, MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
    tag(sqe, c, TAG_SEND);
}

static void on_request(struct floor_conn *c, const char *req, size_t len)
{
    const struct floor_file *f;

    if (c->tls) {
        after_send(c, floor_tls_received(c, req, len));
        return;
    }
    f = floor_find(req, len);
    if (!f)
        give_up(c);
    else if (floor_opt.batch && f->size <= FLOOR_QUEUED && f->size <= floor_opt.copy_limit)
        queue_answer(c, f);
    else
        after_send(c, floor_answer(c, f));
}

static void on_recv(struct floor_conn *c, const struct io_uring_cqe *cqe)
{
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        char *buf = buffers + (size_t)id * FLOOR_RECV;

        on_request(c, buf, (size_t)cqe->res);
        io_uring_buf_ring_add(buf_ring, buf, FLOOR_RECV, (unsigned short)id,
                              io_uring_buf_ring_mask(BUFFERS), 0);
        io_uring_buf_ring_advance(buf_ring, 1);
    }
    if (cqe->flags & IORING_CQE_F_MORE)
        return;
    // While c->file is set a poll names the connection; what ends the body then frees it.
    c->gone = cqe->res <= 0 && cqe->res != -ENOBUFS;
    if (!c->gone)
        arm_recv(c);
    else if (!c->file)
        floor_conn_free(c);
}

static void on_accept(int listener, const struct io_uring_cqe *cqe)
{
    if (cqe->res >= 0) {
        struct floor_conn *c = floor_conn_new(cqe->res);

        if (c)
            arm_recv(c);
    }
    if (!(cqe->flags & IORING_CQE_F_MORE))
        arm_accept(listener);
}

static void on_completion(int listener, const struct io_uring_cqe *cqe)
{
    struct floor_conn *c = (struct floor_conn *)(uintptr_t)(cqe->user_data & ~(__u64)TAG_MASK);

    switch (cqe->user_data & TAG_MASK) {
    case TAG_ACCEPT:
        on_accept(listener, cqe);
        break;
    case TAG_RECV:
        on_recv(c, cqe);
        break;
    case TAG_POLL:
        after_send(c, c->file && floor_continue(c));
        break;
    default:
        // A failed send: the recv of the same socket ends the connection.
        break;
    }
}

static int set_up(void)
{
    struct io_uring_params p = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
        .cq_entries = 4 * ENTRIES,
    };
    int rc = io_uring_queue_init_params(ENTRIES, &ring, &p);

    if (rc < 0)
        return rc;
    io_uring_register_ring_fd(&ring);
    buffers = malloc((size_t)BUFFERS * FLOOR_RECV);
    buf_ring = io_uring_setup_buf_ring(&ring, BUFFERS, GROUP, 0, &rc);
    if (!buffers || !buf_ring)
        return -ENOMEM;
    for (int i = 0; i < BUFFERS; i++)
        io_uring_buf_ring_add(buf_ring, buffers + (size_t)i * FLOOR_RECV, FLOOR_RECV,
                              (unsigned short)i, io_uring_buf_ring_mask(BUFFERS), i);
    io_uring_buf_ring_advance(buf_ring, BUFFERS);
    return 0;
}

int floor_uring(int listener)
{
    int rc = set_up();

    if (rc < 0)
        return -rc;
    arm_accept(listener);
    for (;;) {
        struct io_uring_cqe *cqe;
        unsigned head;
        unsigned seen = 0;

        rc = io_uring_submit_and_wait(&ring, 1);
        if (rc < 0 && rc != -EINTR)
            return -rc;
        floor_tick();
        io_uring_for_each_cqe(&ring, head, cqe) {
            on_completion(listener, cqe);
            seen++;
        }
        io_uring_cq_advance(&ring, seen);
    }
}
