// SPDX-License-Identifier: Apache-2.0
#include "lib/net/rtnl.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/check.h"

// The kernel fills up to 32 KiB of a dump at once when it is read with so much room.
#define ANSWER_MAX 32768

void rtnl_request_init(struct rtnl_request *q, uint16_t type, uint16_t flags, const void *body,
                       size_t size)
{
    *q = (struct rtnl_request){.head = {.nlmsg_len = (uint32_t)NLMSG_LENGTH(size),
                                        .nlmsg_type = type,
                                        .nlmsg_flags = NLM_F_REQUEST | flags,
                                        .nlmsg_seq = 1}};
    check(NLMSG_ALIGN(q->head.nlmsg_len) <= sizeof(*q));
    memcpy(NLMSG_DATA(&q->head), body, size);
}

void rtnl_request_add(struct rtnl_request *q, uint16_t attribute, const void *value, size_t size)
{
    size_t at = NLMSG_ALIGN(q->head.nlmsg_len);
    struct rtattr head = {.rta_len = (unsigned short)RTA_LENGTH(size), .rta_type = attribute};

    check(at + RTA_SPACE(size) <= sizeof(*q));
    memcpy((char *)q + at, &head, sizeof(head));
    memcpy((char *)q + at + RTA_LENGTH(0), value, size);
    q->head.nlmsg_len = (uint32_t)(at + RTA_LENGTH(size));
}

static int said_error(const struct nlmsghdr *message)
{
    const struct nlmsgerr *error = NLMSG_DATA(message);

    return message->nlmsg_len < NLMSG_LENGTH(sizeof(*error)) ? -EBADMSG : error->error;
}

// The messages of one read. *end: no more will come.
static int take(const char *buffer, size_t length, bool dump, rtnl_each *each, void *arg, bool *end)
{
    const struct nlmsghdr *message = (const struct nlmsghdr *)buffer;
    int rc = 0;

    for (; rc == 0 && !*end && NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
        if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR)
            *end = true;
        if (message->nlmsg_type == NLMSG_ERROR)
            return said_error(message);
        if (message->nlmsg_flags & NLM_F_DUMP_INTR)
            return -EINTR;
        if (message->nlmsg_type >= NLMSG_MIN_TYPE)
            rc = each(message, arg);
        *end = *end || !dump;
    }
    return rc;
}

static int converse(int fd, struct rtnl_request *q, rtnl_each *each, void *arg)
{
    _Alignas(struct nlmsghdr) char buffer[ANSWER_MAX];
    bool dump = (q->head.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP, end = false;
    ssize_t n;
    int rc = 0;

    if (send(fd, q, q->head.nlmsg_len, 0) < 0)
        return -errno;
    while (rc == 0 && !end) {
        do
            n = recv(fd, buffer, sizeof(buffer), 0);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
            return n < 0 ? -errno : -EBADMSG;
        rc = take(buffer, (size_t)n, dump, each, arg, &end);
    }
    return rc;
}

int rtnl_ask(struct rtnl_request *q, rtnl_each *each, void *arg)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), rc;

    if (fd < 0)
        return -errno;
    rc = converse(fd, q, each, arg);
    close(fd);
    return rc;
}

void rtnl_attributes(const struct nlmsghdr *message, size_t size, const struct rtattr **at,
                     unsigned max)
{
    size_t head = NLMSG_SPACE(size);
    const struct rtattr *attribute = (const void *)((const char *)message + head);

    memset(at, 0, max * sizeof(*at));
    if (message->nlmsg_len < head)
        return;
    for (size_t n = message->nlmsg_len - head; RTA_OK(attribute, n);
         attribute = RTA_NEXT(attribute, n)) {
        unsigned type = attribute->rta_type & NLA_TYPE_MASK;
        if (type < max)
            at[type] = attribute;
    }
}

uint32_t rtnl_u32(const struct rtattr *attribute, uint32_t missing)
{
    uint32_t value;

    if (attribute == NULL || RTA_PAYLOAD(attribute) < sizeof(value))
        return missing;
    memcpy(&value, RTA_DATA(attribute), sizeof(value));
    return value;
}
