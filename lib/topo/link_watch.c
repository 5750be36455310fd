// SPDX-License-Identifier: Apache-2.0
#include "lib/topo/link_watch.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

int link_watch_open(void)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return fd;
}

// A bridge tells of its ports' state a second time, as AF_BRIDGE, each time one of them learns or
// ages; what joins or leaves it is told as any other change.
static bool matters(const struct nlmsghdr *h)
{
    const struct ifinfomsg *info = NLMSG_DATA(h);

    if (h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK)
        return false;
    return h->nlmsg_len >= NLMSG_LENGTH(sizeof(*info)) && info->ifi_family != AF_BRIDGE;
}

static bool any_matters(const void *bytes, size_t n)
{
    const struct nlmsghdr *h = bytes;

    for (size_t left = n; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
        if (matters(h))
            return true;
    }
    return false;
}

bool link_watch_changed(int fd)
{
    _Alignas(struct nlmsghdr) char bytes[16384];
    bool changed = false;

    for (;;) {
        struct sockaddr_nl from = {.nl_pid = 1};
        struct iovec iov = {bytes, sizeof(bytes)};
        struct msghdr msg = {
            .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1};
        ssize_t n = recvmsg(fd, &msg, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == ENOBUFS)
            changed = true; // messages were lost, and the socket goes on
        else if (n <= 0)
            return changed;
        else if (from.nl_pid == 0) // the kernel; another process might send here too
            changed |= (msg.msg_flags & MSG_TRUNC) != 0 || any_matters(bytes, (size_t)n);
    }
}
