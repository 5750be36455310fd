// SPDX-License-Identifier: Apache-2.0
//
// Plain TCP, and kernel TLS, which looks the same from here: the kernel makes records of what it is
// given. A small body goes out with its head in one send; a large one follows its head (MSG_MORE)
// by sendfile(2), in bounded quanta, and only from pages that are resident.
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/sys.h"
#include "lib/file/extent.h"
#include "server/bounds.h"
#include "server/conn/conn.h"
#include "server/request/request.h"
#include "server/transport/body.h"
#include "server/transport/source.h"
#include "server/worker.h"

#define IOV_MAX_PARTS 8

static void account(struct conn *c, size_t n)
{
    c->request->response.sent_bytes += n;
    c->taken += n;
}

// What a send did not take of bytes that live in the scratch area is kept for later.
static int keep_rest(struct request *r, const char *p, size_t n)
{
    struct slice *rest = arena_alloc(&r->arena, sizeof(*rest));
    char *copy = arena_alloc(&r->arena, n);

    if (rest == NULL || copy == NULL)
        return -ENOMEM;
    memcpy(copy, p, n);
    *rest = (struct slice){.p = copy, .len = n, .next = r->response.body};
    r->response.body = rest;
    return 0;
}

// Sends what stands in the scratch area: the head (with memory slices behind it), then `body` bytes
// of the file. What the socket does not take of the head is kept; the file's part stays an extent,
// so that a slow reader holds no buffer.
static enum transport_result send_scratch(struct conn *c, size_t head, size_t body, int flags)
{
    size_t n = head + body;
    struct request *r = c->request;
    const char *p = c->worker->scratch;
    ssize_t sent = sys->send(c->fd, p, n, MSG_NOSIGNAL | flags);
    enum transport_result rc = TRANSPORT_AGAIN;

    if (sent < 0) {
        rc = transport_not_sent(c->request, errno, "send()");
        if (rc == TRANSPORT_ERROR)
            return rc;
        sent = 0;
    }
    account(c, (size_t)sent);
    if ((size_t)sent > head)
        body_consume(&r->response, (uint64_t)sent - head);
    else if ((size_t)sent < head && keep_rest(r, p + sent, head - (size_t)sent) != 0)
        return transport_failed(c->request, ENOMEM, "send()");
    return (size_t)sent == n ? TRANSPORT_DONE : rc;
}

// The kernel's records hold whole pages of a file if the head has a record of its own; encrypting
// across the edges of pages costs more than the one small record.
static enum transport_result send_front(struct conn *c)
{
    bool tls = c->transport == &transport_kernel;
    struct front f;
    enum transport_result rc = front_make(c, tls ? SMALL_TLS_BODY_MAX : SMALL_BODY_MAX, &f);

    // An HTTP/0.9 response may be all empty.
    if (rc != TRANSPORT_DONE || f.head + f.file == 0)
        return rc;
    bool more = !tls && c->request->response.body != NULL && f.file == 0;
    return send_scratch(c, f.head, f.file, more ? MSG_MORE : 0);
}

static enum transport_result send_memory(struct conn *c, uint64_t *sent_bytes)
{
    struct response *s = &c->request->response;
    struct iovec iov[IOV_MAX_PARTS];
    struct msghdr msg = {.msg_iov = iov};
    struct slice *at = s->body;
    size_t wanted = 0;

    for (; at != NULL && at->file == NULL && msg.msg_iovlen < IOV_MAX_PARTS; at = at->next) {
        iov[msg.msg_iovlen++] = (struct iovec){(char *)(uintptr_t)at->p, at->len};
        wanted += at->len;
    }
    ssize_t n = sys->sendmsg(c->fd, &msg, MSG_NOSIGNAL | (at != NULL ? MSG_MORE : 0));
    if (n < 0)
        return transport_not_sent(c->request, errno, "sendmsg()");
    account(c, (size_t)n);
    body_consume(s, (uint64_t)n);
    *sent_bytes = (uint64_t)n;
    return (size_t)n == wanted ? TRANSPORT_DONE : TRANSPORT_AGAIN;
}

static enum transport_result send_extent(struct conn *c, uint64_t room, uint64_t *sent_bytes)
{
    struct request *r = c->request;
    struct slice *s = r->response.body;
    uint64_t len = min_of(s->len, room), ready = body_fetched(&r->response, s->off);
    struct body_source src;

    // A response that had to wait once goes on through the ring: probes at a distance might step
    // over pages that are still being read, and sendfile would wait for those.
    bool cold = r->response.fetched_to != 0;
    if (ready != 0)
        len = min_of(len, ready);
    else if (cold || !extent_resident(&c->worker->ring.features, s->file, s->off, len,
                                      clock_mono_ms()))
        return body_fetch(r, s, len);
    body_source_open(r, s, len, &src);
    off_t off = (off_t)src.off;
    ssize_t n = sys->sendfile(c->fd, src.fd, &off, src.len);
    int err = errno;
    body_source_close(r, s, &src, n > 0 ? (uint64_t)n : 0, c->transport == &transport_kernel);
    if (n < 0)
        return transport_not_sent(c->request, err, "sendfile()");
    if (n == 0) {
        request_log(r, LOG_LEVEL_ALERT, 0, "file was truncated while it was being sent");
        return TRANSPORT_ERROR;
    }
    account(c, (size_t)n);
    body_consume(&r->response, (uint64_t)n);
    *sent_bytes = (uint64_t)n;
    return (uint64_t)n == src.len ? TRANSPORT_DONE : TRANSPORT_AGAIN;
}

static enum transport_result plain_send(struct conn *c)
{
    struct request *r = c->request;
    struct response *s = &r->response;
    uint64_t room = body_quantum(r);

    if (!s->header_sent) {
        enum transport_result rc = send_front(c);
        if (rc != TRANSPORT_DONE)
            return rc;
    }
    while (s->body != NULL) {
        uint64_t sent = 0, most = body_unpaced(r, room);
        enum transport_result rc =
            s->body->file != NULL ? send_extent(c, most, &sent) : send_memory(c, &sent);
        if (rc != TRANSPORT_DONE)
            return rc;
        room -= min_of(room, sent);
        if (room == 0 && s->body != NULL)
            return TRANSPORT_AGAIN;
    }
    return TRANSPORT_DONE;
}

const struct transport transport_plain = {.name = "plain", .send = plain_send};
const struct transport transport_kernel = {.name = "kernel", .send = plain_send};
