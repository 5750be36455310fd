// SPDX-License-Identifier: Apache-2.0
#include "server/transport/body.h"

#include <errno.h>

#include "lib/base/check.h"
#include "lib/base/log.h"
#include "lib/file/residency.h"
#include "server/bounds.h"
#include "server/conn/protocol.h"
#include "server/http1/http1.h"
#include "server/request/head.h"
#include "server/request/request.h"
#include "server/transport/source.h"
#include "server/worker.h"

static enum log_level failure_level(int err)
{
    bool gone = err == EPIPE || err == ECONNRESET || err == ETIMEDOUT || err == ENOTCONN;

    return gone ? LOG_LEVEL_INFO : LOG_LEVEL_CRIT;
}

enum transport_result transport_failed(struct request *r, int err, const char *call)
{
    request_log(r, failure_level(err), err, "%s failed", call);
    return TRANSPORT_ERROR;
}

enum transport_result transport_not_sent(struct request *r, int err, const char *call)
{
    return conn_not_sent(r->conn, r, err, call);
}

enum transport_result conn_not_sent(struct conn *c, struct request *r, int err, const char *call)
{
    switch (err) {
    case EAGAIN:
    case EINTR:
        return TRANSPORT_AGAIN;
    case ENOBUFS:
    case ENOMEM:
        return TRANSPORT_RETRY;
    default:
        if (r != NULL)
            return transport_failed(r, err, call);
        conn_log(c, failure_level(err), err, "%s failed", call);
        return TRANSPORT_ERROR;
    }
}

void body_consume(struct response *s, uint64_t n)
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

// The read-ahead of the look that found nothing is on its way, so some of it always looks resident.
static bool mostly_cold(const struct slice *s)
{
    uint64_t resident;

    return file_resident_bytes(s->file->fd, s->off, s->len, &resident) != 0 ||
           resident < s->len / 2;
}

void body_will_fetch(struct request *r, const struct slice *s, uint64_t len)
{
    struct response *out = &r->response;

    out->fetched_from = out->fetched_to = s->off;
    if (!r->location->drop_behind)
        return;
    if (!out->fetched_any)
        out->mostly_cold = mostly_cold(s);
    out->fetched_any = true;
    if (out->mostly_cold)
        drop_fetched(&out->drop, s->off, min_of(len, s->len));
}

enum transport_result body_fetch(struct request *r, const struct slice *s, uint64_t len)
{
    struct worker *w = r->worker;

    stats_add(&w->stats->cold_reads, 1);
    body_will_fetch(r, s, min_of(len, (uint64_t)RESIDENCY_FETCH_MAX));
    int rc = file_fetch(&w->ring, &r->fetch, s->file->fd, s->off,
                        (unsigned)min_of(len, (uint64_t)RESIDENCY_FETCH_MAX));
    return rc == 0 ? TRANSPORT_FILE : transport_failed(r, -rc, "io_uring read");
}

bool body_fetch_done(struct request *r, int32_t res)
{
    struct response *s = &r->response;

    if (res <= 0) {
        request_log(r, res == 0 ? LOG_LEVEL_ALERT : LOG_LEVEL_CRIT, -res,
                    res == 0 ? "file was truncated while it was being sent"
                             : "reading a file to be sent failed");
        return false;
    }
    s->fetched_to = s->fetched_from + (uint64_t)res;
    return true;
}

uint64_t body_fetched(const struct response *s, uint64_t off)
{
    return off >= s->fetched_from && off < s->fetched_to ? s->fetched_to - off : 0;
}

// What had to be fetched goes by sendfile, which needs no second answer about residency.
static bool is_small_file(const struct response *s, uint64_t small)
{
    const struct slice *body = s->body;

    return body != NULL && body->file != NULL && body->next == NULL &&
           body->len <= small && body_fetched(s, body->off) == 0;
}

// All of a slice, from one source after the other. As file_read_cached().
static ssize_t read_cached(struct request *r, const struct slice *s, char *out)
{
    struct slice part = *s;
    size_t done = 0;

    while (part.len != 0) {
        struct body_source src;

        body_source_open(r, &part, part.len, &src);
        ssize_t n = file_read_cached(src.fd, out + done, src.len, src.off);
        body_source_close(r, &part, &src, n > 0 ? (uint64_t)n : 0, true);
        if (n < 0)
            return n;
        done += (size_t)n;
        if ((uint64_t)n < src.len)
            break;
        part.off += (uint64_t)n;
        part.len -= (uint64_t)n;
    }
    return (ssize_t)done;
}

// The body of a small file is read right behind the head. A miss is fetched first; nothing has been
// sent then.
static enum transport_result read_small(struct request *r, size_t head, bool *done)
{
    struct slice *body = r->response.body;
    ssize_t n = read_cached(r, body, r->worker->scratch + head);

    *done = false;
    // Fewer bytes than asked for: the rest is not resident, or the file has become shorter. Some
    // file systems (FUSE, NFS) cannot say.
    if (n == -EAGAIN || n == -EOPNOTSUPP || (n >= 0 && (uint64_t)n < body->len))
        return body_fetch(r, body, body->len);
    if (n < 0)
        return transport_failed(r, (int)-n, "pread()");
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

enum transport_result front_make(struct conn *c, uint64_t small, struct front *f)
{
    struct request *r = c->request;
    struct response *s = &r->response;
    char *scratch = c->worker->scratch;
    bool done = true;

    *f = (struct front){0};
    if (head_write(r, scratch, HEAD_MAX, &f->head) != 0)
        return transport_failed(r, EMSGSIZE, "response head");
    s->header_bytes = f->head;
    if (is_small_file(s, small)) {
        enum transport_result rc = read_small(r, f->head, &done);
        if (!done)
            return rc;
        f->file = s->body->len;
    } else {
        f->head += append_memory(s, scratch + f->head, WORKER_SCRATCH - f->head);
    }
    s->header_sent = true;
    return TRANSPORT_DONE;
}

// limit_rate_after: the first bytes go as fast as they can, then the kernel paces.
static uint64_t unpaced_left(const struct request *r)
{
    uint64_t body = r->response.sent_bytes > r->response.header_bytes
                        ? r->response.sent_bytes - r->response.header_bytes
                        : 0;

    return r->limit_rate_after > body ? r->limit_rate_after - body : 0;
}

uint64_t body_unpaced(struct request *r, uint64_t room)
{
    uint64_t left = unpaced_left(r);

    if (left != 0)
        return min_of(room, left);
    if (r->limit_rate_after != 0)
        http1_start_pacing(r->conn);
    return room;
}

uint64_t body_quantum(const struct request *r)
{
    uint64_t most = SEND_QUANTUM;
    int64_t chunk = r->location->sendfile_max_chunk;

    if (chunk > 0 && (uint64_t)chunk < most)
        most = (uint64_t)chunk;
    return most;
}
