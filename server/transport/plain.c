// SPDX-License-Identifier: Apache-2.0
//
// Plain TCP. A small body goes out with its head in one send; a large one follows its head
// (MSG_MORE) by sendfile(2), in bounded quanta, and only from pages that are resident.
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/sys.h"
#include "lib/file/extent.h"
#include "lib/file/residency.h"
#include "server/conn/conn.h"
#include "server/request/head.h"
#include "server/bounds.h"
#include "server/request/request.h"
#include "server/transport/transport.h"
#include "server/worker.h"

#define IOV_MAX_PARTS 8

static enum transport_result failed(struct conn *c, int err, const char *call)
{
    bool gone = err == EPIPE || err == ECONNRESET || err == ETIMEDOUT || err == ENOTCONN;

    request_log(c->request, gone ? LOG_LEVEL_INFO : LOG_LEVEL_CRIT, err, "%s failed", call);
    return TRANSPORT_ERROR;
}

// What a send that took nothing means. What passes by itself is no failure.
static enum transport_result not_sent(struct conn *c, int err, const char *call)
{
    switch (err) {
    case EAGAIN:
    case EINTR:
        return TRANSPORT_AGAIN;
    case ENOBUFS:
    case ENOMEM:
        return TRANSPORT_RETRY;
    default:
        return failed(c, err, call);
    }
}

static void account(struct response *s, size_t n)
{
    s->sent_bytes += n;
}

// Takes n sent bytes off the front of the body.
static void consume(struct response *s, uint64_t n)
{
    while (n != 0) {
        struct slice *head = s->body;
        uint64_t part = min_of(n, head->len);
        head->off += part;
        head->len -= part;
        if (head->file == NULL)
            head->p += part;
        n -= part;
        if (head->len == 0)
            s->body = head->next;
    }
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

static enum transport_result fetch(struct conn *c, const struct slice *s, uint64_t len)
{
    struct worker *w = c->worker;

    stats_add(&w->stats->cold_reads, 1);
    int rc = file_fetch(&w->ring, &c->fetch, s->file->fd, s->off,
                        (unsigned)min_of(len, (uint64_t)RESIDENCY_FETCH_MAX));
    return rc == 0 ? TRANSPORT_FILE : failed(c, -rc, "io_uring read");
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
        rc = not_sent(c, errno, "send()");
        if (rc == TRANSPORT_ERROR)
            return rc;
        sent = 0;
    }
    account(&r->response, (size_t)sent);
    if ((size_t)sent > head)
        consume(&r->response, (uint64_t)sent - head);
    else if ((size_t)sent < head && keep_rest(r, p + sent, head - (size_t)sent) != 0)
        return failed(c, ENOMEM, "send()");
    return (size_t)sent == n ? TRANSPORT_DONE : rc;
}

// How many bytes from `off` on were fetched just now.
static uint64_t fetched(const struct response *s, uint64_t off)
{
    return off >= s->fetched_from && off < s->fetched_to ? s->fetched_to - off : 0;
}

// What had to be fetched goes by sendfile, which needs no second answer about residency.
static bool is_small_file(const struct response *s)
{
    const struct slice *body = s->body;

    return body != NULL && body->file != NULL && body->next == NULL &&
           body->len <= SMALL_BODY_MAX && fetched(s, body->off) == 0;
}

// The body of a small file is read right behind the head. A miss is fetched first; nothing has been
// sent then.
static enum transport_result read_small(struct conn *c, size_t head, bool *done)
{
    struct response *s = &c->request->response;
    struct slice *body = s->body;
    ssize_t n = file_read_cached(body->file->fd, c->worker->scratch + head, body->len, body->off);

    *done = false;
    // Fewer bytes than asked for: the rest is not resident, or the file has become shorter. Some
    // file systems (FUSE, NFS) cannot say.
    if (n == -EAGAIN || n == -EOPNOTSUPP || (n >= 0 && (uint64_t)n < body->len))
        return fetch(c, body, body->len);
    if (n < 0)
        return failed(c, (int)-n, "pread()");
    *done = true;
    return TRANSPORT_DONE;
}

static size_t append_memory(struct response *s, char *at, size_t room)
{
    size_t n = 0;

    while (s->body != NULL && s->body->file == NULL && s->body->len <= room - n) {
        memcpy(at + n, s->body->p, s->body->len);
        n += s->body->len;
        s->body = s->body->next;
    }
    return n;
}

static enum transport_result send_head(struct conn *c)
{
    struct request *r = c->request;
    struct response *s = &r->response;
    size_t n, small = 0;
    bool done = true;

    if (head_write(r, c->worker->scratch, HEAD_MAX, &n) != 0)
        return failed(c, EMSGSIZE, "response head");
    s->header_bytes = n;
    if (is_small_file(s)) {
        enum transport_result rc = read_small(c, n, &done);
        if (!done)
            return rc;
        small = s->body->len;
    } else {
        n += append_memory(s, c->worker->scratch + n, WORKER_SCRATCH - n);
    }
    s->header_sent = true;
    // An HTTP/0.9 response may be all empty.
    if (n + small == 0)
        return TRANSPORT_DONE;
    return send_scratch(c, n, small, s->body != NULL && small == 0 ? MSG_MORE : 0);
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
        return not_sent(c, errno, "sendmsg()");
    account(s, (size_t)n);
    consume(s, (uint64_t)n);
    *sent_bytes = (uint64_t)n;
    return (size_t)n == wanted ? TRANSPORT_DONE : TRANSPORT_AGAIN;
}

// limit_rate_after: the first bytes go as fast as they can, then the kernel paces.
static uint64_t unpaced_left(const struct request *r)
{
    uint64_t body = r->response.sent_bytes > r->response.header_bytes
                        ? r->response.sent_bytes - r->response.header_bytes
                        : 0;

    return r->limit_rate_after > body ? r->limit_rate_after - body : 0;
}

static enum transport_result send_extent(struct conn *c, uint64_t room, uint64_t *sent_bytes)
{
    struct request *r = c->request;
    struct slice *s = r->response.body;
    uint64_t len = min_of(s->len, room), ready = fetched(&r->response, s->off);
    off_t off = (off_t)s->off;

    // A response that had to wait once goes on through the ring: probes at a distance might step
    // over pages that are still being read, and sendfile would wait for those.
    bool cold = r->response.fetched_to != 0;
    if (ready != 0)
        len = min_of(len, ready);
    else if (cold || !extent_resident(&c->worker->ring.features, s->file, s->off, len,
                                      clock_mono_ms()))
        return fetch(c, s, len);
    ssize_t n = sys->sendfile(c->fd, s->file->fd, &off, len);
    if (n < 0)
        return not_sent(c, errno, "sendfile()");
    if (n == 0) {
        request_log(r, LOG_LEVEL_ALERT, 0, "file was truncated while it was being sent");
        return TRANSPORT_ERROR;
    }
    account(&r->response, (size_t)n);
    consume(&r->response, (uint64_t)n);
    *sent_bytes = (uint64_t)n;
    return (uint64_t)n == len ? TRANSPORT_DONE : TRANSPORT_AGAIN;
}

static uint64_t quantum(const struct request *r)
{
    uint64_t most = SEND_QUANTUM;
    int64_t chunk = r->location->sendfile_max_chunk;

    if (chunk > 0 && (uint64_t)chunk < most)
        most = (uint64_t)chunk;
    return most;
}

static enum transport_result plain_send(struct conn *c)
{
    struct request *r = c->request;
    struct response *s = &r->response;
    uint64_t room = quantum(r);

    if (!s->header_sent) {
        enum transport_result rc = send_head(c);
        if (rc != TRANSPORT_DONE)
            return rc;
    }
    while (s->body != NULL) {
        uint64_t sent = 0, most = room, after = unpaced_left(r);
        if (after != 0)
            most = min_of(most, after);
        else if (r->limit_rate_after != 0)
            conn_start_pacing(c);
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
