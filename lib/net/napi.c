// SPDX-License-Identifier: Apache-2.0
//
// Three questions over generic netlink: which number the family "netdev" has (nlctrl,
// CTRL_CMD_GETFAMILY), which interface has this NAPI id, and which ids there are. The last is a
// dump, without an attribute and with many answers.
#include "lib/net/napi.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// Of linux/netdev.h, which is younger than the oldest supported system's headers.
#define NETDEV_COMMAND_NAPI_GET 11
#define NETDEV_ATTRIBUTE_NAPI_IFINDEX 1
#define NETDEV_ATTRIBUTE_NAPI_ID 2

#define VALUE_MAX 16 // bytes of the attribute that is sent

struct question {
    struct nlmsghdr head;
    struct genlmsghdr generic;
    struct nlattr attribute;
    char value[VALUE_MAX];
};

// An answer's attributes; or, inside, those of one of them.
struct attributes {
    const char *p;
    size_t n;
};

static int put(struct napi_lookup *n, struct question *q, size_t size)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

    q->head.nlmsg_seq = ++n->sequence;
    q->head.nlmsg_len = (uint32_t)(NLMSG_LENGTH(GENL_HDRLEN) + size);
    ssize_t sent = sendto(n->fd, q, q->head.nlmsg_len, 0, (struct sockaddr *)&kernel,
                          sizeof(kernel));
    return sent == (ssize_t)q->head.nlmsg_len ? 0 : sent < 0 ? -errno : -EIO;
}

static int ask(struct napi_lookup *n, uint16_t family, uint8_t command, uint16_t type,
               const void *value, size_t size)
{
    struct question q = {
        .head = {.nlmsg_type = family, .nlmsg_flags = NLM_F_REQUEST},
        .generic = {.cmd = command, .version = 1},
        .attribute = {.nla_type = type, .nla_len = (uint16_t)(NLA_HDRLEN + size)},
    };

    memcpy(q.value, value, size);
    return put(n, &q, NLA_HDRLEN + NLA_ALIGN(size));
}

static int ask_for_all(struct napi_lookup *n)
{
    struct question q = {
        .head = {.nlmsg_type = n->family, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .generic = {.cmd = NETDEV_COMMAND_NAPI_GET, .version = 1},
    };

    return put(n, &q, 0);
}

// 1: the answer is in `out`; 0: a message of something else; or -errno.
static int take(const struct napi_lookup *n, uint16_t family, const struct nlmsghdr *h,
                struct attributes *out)
{
    if (h->nlmsg_seq != n->sequence)
        return 0;
    if (h->nlmsg_type == NLMSG_ERROR) {
        const struct nlmsgerr *e = NLMSG_DATA(h);

        if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*e)) || e->error >= 0)
            return -EIO;
        return e->error;
    }
    if (h->nlmsg_type != family || h->nlmsg_len < NLMSG_LENGTH(GENL_HDRLEN))
        return 0;
    out->p = (const char *)NLMSG_DATA(h) + GENL_HDRLEN;
    out->n = h->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN);
    return 1;
}

// What the kernel has said, in bytes, or -errno. It has answered by the time that the question was
// sent: there is nothing to wait for.
static ssize_t hear(const struct napi_lookup *n, char *bytes, size_t size)
{
    for (;;) {
        struct sockaddr_nl from = {.nl_pid = 1};
        socklen_t from_size = sizeof(from);
        ssize_t got = recvfrom(n->fd, bytes, size, MSG_DONTWAIT, (struct sockaddr *)&from,
                               &from_size);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EAGAIN ? -EIO : -errno;
        if (from.nl_pid == 0)
            return got;
    }
}

// An answer to a question before, which was given up, is passed over.
static int answer(const struct napi_lookup *n, uint16_t family, char *bytes, size_t size,
                  struct attributes *out)
{
    for (;;) {
        ssize_t got = hear(n, bytes, size);

        if (got < 0)
            return (int)got;
        const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)bytes;
        int rc = NLMSG_OK(h, (size_t)got) ? take(n, family, h, out) : 0;
        if (rc != 0)
            return rc > 0 ? 0 : rc;
    }
}

// The next attribute, taken off the front. False at the end or at nonsense.
static bool next(struct attributes *a, uint16_t *type, struct attributes *value)
{
    struct nlattr head;

    if (a->n < sizeof(head))
        return false;
    memcpy(&head, a->p, sizeof(head));
    if (head.nla_len < NLA_HDRLEN || head.nla_len > a->n)
        return false;
    *type = head.nla_type & NLA_TYPE_MASK;
    *value = (struct attributes){a->p + NLA_HDRLEN, (size_t)head.nla_len - NLA_HDRLEN};
    size_t step = NLA_ALIGN(head.nla_len);
    step = step < a->n ? step : a->n;
    *a = (struct attributes){a->p + step, a->n - step};
    return true;
}

static bool find(struct attributes a, uint16_t want, struct attributes *value)
{
    uint16_t type;

    while (next(&a, &type, value)) {
        if (type == want)
            return true;
    }
    return false;
}

static bool find_number(struct attributes a, uint16_t want, void *out, size_t size)
{
    struct attributes value;

    if (!find(a, want, &value) || value.n != size)
        return false;
    memcpy(out, value.p, size);
    return true;
}

// 6.3 to 6.7 have the family, but tell nothing of NAPI.
static bool has_napi_get(struct attributes family)
{
    struct attributes ops, op;
    uint16_t type;
    uint32_t id;

    if (!find(family, CTRL_ATTR_OPS, &ops))
        return false;
    while (next(&ops, &type, &op)) {
        if (find_number(op, CTRL_ATTR_OP_ID, &id, sizeof(id)) && id == NETDEV_COMMAND_NAPI_GET)
            return true;
    }
    return false;
}

static int find_family(struct napi_lookup *n)
{
    static const char name[] = "netdev";
    _Alignas(struct nlmsghdr) char bytes[16384];
    struct attributes a;
    int rc = ask(n, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, name, sizeof(name));

    if (rc == 0)
        rc = answer(n, GENL_ID_CTRL, bytes, sizeof(bytes), &a);
    if (rc == -ENOENT)
        return -EOPNOTSUPP;
    if (rc != 0)
        return rc;
    if (!find_number(a, CTRL_ATTR_FAMILY_ID, &n->family, sizeof(n->family)))
        return -EIO;
    return has_napi_get(a) ? 0 : -EOPNOTSUPP;
}

int napi_lookup_open(struct napi_lookup *n)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    int rc = 0;

    *n = (struct napi_lookup){
        .fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC)};
    if (n->fd < 0)
        return errno == EPROTONOSUPPORT ? -EOPNOTSUPP : -errno;
    if (bind(n->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        rc = -errno;
    if (rc == 0)
        rc = find_family(n);
    if (rc != 0)
        napi_lookup_close(n);
    return rc;
}

void napi_lookup_close(struct napi_lookup *n)
{
    if (n->fd >= 0)
        close(n->fd);
    *n = (struct napi_lookup){.fd = -1};
}

static bool find_link(struct attributes a, int *link)
{
    uint32_t index;

    if (!find_number(a, NETDEV_ATTRIBUTE_NAPI_IFINDEX, &index, sizeof(index)) || index == 0 ||
        index > INT32_MAX)
        return false;
    *link = (int)index;
    return true;
}

int napi_lookup_link(struct napi_lookup *n, uint32_t napi_id)
{
    _Alignas(struct nlmsghdr) char bytes[4096];
    struct attributes a;
    int link;
    int rc = ask(n, n->family, NETDEV_COMMAND_NAPI_GET, NETDEV_ATTRIBUTE_NAPI_ID, &napi_id,
                 sizeof(napi_id));

    if (rc == 0)
        rc = answer(n, n->family, bytes, sizeof(bytes), &a);
    if (rc != 0)
        return rc;
    // Of an interface that has gone down the answer is empty.
    return find_link(a, &link) ? link : -ENOENT;
}

// A part of the dump. 1: that was the end; 0: more is to come; or -errno.
static int tell(const struct napi_lookup *n, const char *bytes, size_t left, napi_found *found,
                void *ctx)
{
    const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)bytes;

    for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
        struct attributes a;
        uint32_t id;
        int link;

        if (h->nlmsg_type == NLMSG_DONE && h->nlmsg_seq == n->sequence)
            return 1;
        int rc = take(n, n->family, h, &a);
        if (rc < 0)
            return rc;
        if (rc > 0 && find_link(a, &link) &&
            find_number(a, NETDEV_ATTRIBUTE_NAPI_ID, &id, sizeof(id)))
            found(id, link, ctx);
    }
    return 0;
}

int napi_lookup_all(struct napi_lookup *n, napi_found *found, void *ctx)
{
    _Alignas(struct nlmsghdr) char bytes[32768]; // the kernel fills no more at a time
    int rc = ask_for_all(n);

    while (rc == 0) {
        ssize_t got = hear(n, bytes, sizeof(bytes));
        rc = got < 0 ? (int)got : tell(n, bytes, (size_t)got, found, ctx);
    }
    return rc > 0 ? 0 : rc;
}
