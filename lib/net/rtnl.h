// SPDX-License-Identifier: Apache-2.0
//
// Questions to rtnetlink(7): one request, then each message of the answer. The kernel answers
// before the request's send(2) returns, or as the answer is read, so nobody waits for another
// process. Needs no privilege. For lib/net's own use.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/compiler.h"

#define RTNL_REQUEST_MAX 256

struct rtnl_request {
    struct nlmsghdr head; // its length grows with each attribute
    char rest[RTNL_REQUEST_MAX];
};

// `type`: RTM_GET*; `body`: the family's header (struct rtmsg, struct ndmsg, ...).
void rtnl_request_init(struct rtnl_request *q, uint16_t type, uint16_t flags, const void *body,
                       size_t size);
void rtnl_request_add(struct rtnl_request *q, uint16_t attribute, const void *value, size_t size);

// Takes one message of the answer; a -errno ends the question with it.
typedef int rtnl_each(const struct nlmsghdr *message, void *arg);

// With NLM_F_DUMP all that there are, else the one. 0, what `each` said, or -errno: what the kernel
// said, or -EINTR for a dump during which things changed, to be repeated.
must_check int rtnl_ask(struct rtnl_request *q, rtnl_each *each, void *arg);

// The attributes of a message whose family header has `size` bytes, by type; those from `max` on
// are left out.
void rtnl_attributes(const struct nlmsghdr *message, size_t size, const struct rtattr **at,
                     unsigned max);
uint32_t rtnl_u32(const struct rtattr *attribute, uint32_t missing);
