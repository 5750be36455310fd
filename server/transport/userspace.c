// SPDX-License-Identifier: Apache-2.0
//
// TLS without the kernel: a batch of the response is read, sealed into many records and sent at
// once. How large a batch is follows the client: one that takes all of it gets twice as much the
// next time, one that does not gets half, so that a slow reader holds little memory.
#include <errno.h>

#include "lib/base/check.h"
#include "lib/base/log.h"
#include "lib/file/open_file.h"
#include "lib/file/residency.h"
#include "lib/tls/tls.h"
#include "server/bounds.h"
#include "server/conn/conn.h"
#include "server/request/request.h"
#include "server/transport/body.h"
#include "server/transport/records.h"
#include "server/transport/source.h"
#include "server/worker.h"

#define READ_PART (64u << 10) // bytes of a file between page cache and records: stays in the cache

static enum transport_result seal(struct conn *c, const char *p, size_t n)
{
    size_t record = (size_t)c->request->server->tls.buffer_size;
    int rc = tls_seal(c->tls, p, n, record < TLS_RECORD_MAX ? record : TLS_RECORD_MAX);

    return rc == 0 ? TRANSPORT_DONE : transport_failed(c->request, -rc, "SSL_write()");
}

// `n` bytes of plain text are on their way.
static enum transport_result seal_body(struct conn *c, const char *p, size_t n)
{
    struct response *s = &c->request->response;
    enum transport_result rc = seal(c, p, n);

    if (rc != TRANSPORT_DONE)
        return rc;
    s->sent_bytes += n;
    body_consume(s, n);
    return TRANSPORT_DONE;
}

static enum transport_result seal_front(struct conn *c)
{
    struct front f;
    enum transport_result rc = front_make(c, SMALL_BODY_MAX, &f);

    if (rc != TRANSPORT_DONE || f.head + f.file == 0)
        return rc;
    rc = seal(c, c->worker->scratch, f.head + f.file);
    if (rc != TRANSPORT_DONE)
        return rc;
    c->request->response.sent_bytes += f.head + f.file;
    body_consume(&c->request->response, f.file);
    return TRANSPORT_DONE;
}

static enum transport_result truncated(struct conn *c)
{
    request_log(c->request, LOG_LEVEL_ALERT, 0, "file was truncated while it was being sent");
    return TRANSPORT_ERROR;
}

// The disk is asked; the bytes come into a buffer of this connection's own.
static enum transport_result read_cold(struct conn *c, const struct slice *s)
{
    struct worker *w = c->worker;

    stats_add(&w->stats->cold_reads, 1);
    if (c->cold == NULL)
        c->cold = record_buffer_take(w);
    if (c->cold == NULL)
        return transport_failed(c->request, ENOMEM, "malloc()");
    body_will_fetch(c->request, s, RECORD_BATCH);
    int rc = ring_read(&w->ring, &c->request->fetch, s->file->fd, c->cold,
                       (unsigned)min_of(s->len, (uint64_t)RECORD_BATCH), s->off);
    return rc == 0 ? TRANSPORT_FILE : transport_failed(c->request, -rc, "io_uring read");
}

static void drop_cold(struct conn *c)
{
    record_buffer_give(c->worker, c->cold);
    c->cold = NULL;
}

// From the buffer that the disk's answer is in.
static enum transport_result seal_cold(struct conn *c, uint64_t most, uint64_t ready)
{
    const struct response *s = &c->request->response;
    size_t n = (size_t)min_of(min_of(s->body->len, most), ready);
    struct body_source src = {.fd = s->body->file->fd, .off = s->body->off};

    body_source_account(c->request, s->body, &src, n, true);
    enum transport_result rc =
        seal_body(c, c->cold + (s->body->off - s->fetched_from), n);

    if (n == ready || s->body == NULL)
        drop_cold(c);
    return rc;
}

static enum transport_result seal_file(struct conn *c, uint64_t most)
{
    const struct response *s = &c->request->response;
    const struct slice *body = s->body;
    uint64_t ready = body_fetched(s, body->off);

    if (c->cold != NULL && ready != 0)
        return seal_cold(c, most, ready);
    size_t part = (size_t)min_of(min_of(body->len, most), (uint64_t)READ_PART);
    struct body_source src;
    body_source_open(c->request, body, part, &src);
    ssize_t n = file_read_cached(src.fd, c->worker->scratch, src.len, src.off);
    body_source_close(c->request, body, &src, n > 0 ? (uint64_t)n : 0, true);
    if (n == -EAGAIN || n == -EOPNOTSUPP)
        return read_cold(c, body);
    if (n < 0)
        return transport_failed(c->request, (int)-n, "pread()");
    return n == 0 ? truncated(c) : seal_body(c, c->worker->scratch, (size_t)n);
}

// Seals until a batch stands there, or the response is at its end.
static enum transport_result seal_batch(struct conn *c, uint64_t *room)
{
    struct response *s = &c->request->response;
    uint64_t batch = min_of((uint64_t)c->batch, *room), before = s->sent_bytes;
    enum transport_result rc = s->header_sent ? TRANSPORT_DONE : seal_front(c);

    while (rc == TRANSPORT_DONE && s->body != NULL && s->sent_bytes - before < batch) {
        uint64_t most = body_unpaced(c->request, batch - (s->sent_bytes - before));
        if (s->body->file != NULL)
            rc = seal_file(c, most);
        else
            rc = seal_body(c, s->body->p, (size_t)min_of(s->body->len, most));
    }
    *room -= min_of(*room, s->sent_bytes - before);
    return rc;
}

static enum transport_result userspace_send(struct conn *c)
{
    struct response *s = &c->request->response;
    uint64_t room = body_quantum(c->request);

    // What waits before the first byte of a response (tickets, a KeyUpdate) goes out with it.
    bool together = !s->header_sent && c->tls->out.len - c->tls->out.off < RECORD_BATCH_MIN;

    for (;;) {
        enum transport_result sent = together ? TRANSPORT_DONE : records_flush_batch(c), sealed;
        together = false;
        if (sent != TRANSPORT_DONE)
            return sent;
        if (s->header_sent && s->body == NULL) {
            drop_cold(c);
            return TRANSPORT_DONE;
        }
        if (room == 0)
            return TRANSPORT_AGAIN;
        sealed = seal_batch(c, &room);
        if (sealed != TRANSPORT_DONE) {
            sent = records_flush(c);
            return sent == TRANSPORT_ERROR ? sent : sealed;
        }
    }
}

const struct transport transport_userspace = {.name = "userspace", .send = userspace_send};
