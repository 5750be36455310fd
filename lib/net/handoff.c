// SPDX-License-Identifier: Apache-2.0
#include "lib/net/handoff.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define HANDOFF_MAGIC 0x68a2d0ffu

struct wire {
    uint32_t magic;
    struct handoff h;
};

// Room for a descriptor, aligned as cmsg(3) wants it.
union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
};

int handoff_open(int *receive_fd, int *send_fd)
{
    // The kernel charges less than 2 KiB for such a message, and doubles what it is told here.
    int ends[2], size = HANDOFF_QUEUE * 1024;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        return -errno;
    // The sender's buffer is what bounds the queue. A smaller one would only refuse sooner.
    (void)setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    *receive_fd = ends[0];
    *send_fd = ends[1];
    return 0;
}

int handoff_send(int send_fd, const struct handoff *h, int fd)
{
    struct wire wire = {.magic = HANDOFF_MAGIC, .h = *h};
    struct iovec iov = {&wire, sizeof(wire)};
    union control control;
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    ssize_t n;

    memset(&control, 0, sizeof(control));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    do {
        n = sendmsg(send_fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

// The descriptor that came with a message, or -1.
static int take_fd(struct msghdr *msg)
{
    int taken = -1;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
            c->cmsg_len == CMSG_LEN(sizeof(int)))
            memcpy(&taken, CMSG_DATA(c), sizeof(taken));
    }
    return taken;
}

int handoff_receive(int receive_fd, struct handoff *h, int *fd)
{
    struct wire wire;
    struct iovec iov = {&wire, sizeof(wire)};
    union control control;
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    ssize_t n;

    do {
        n = recvmsg(receive_fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    if (n == 0)
        return -ECONNRESET;
    *fd = take_fd(&msg);
    bool whole = (size_t)n == sizeof(wire) && wire.magic == HANDOFF_MAGIC;
    if (*fd >= 0 && whole && (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0) {
        *h = wire.h;
        return 0;
    }
    if (*fd >= 0)
        close(*fd);
    return -EBADMSG;
}
