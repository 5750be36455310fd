// SPDX-License-Identifier: Apache-2.0
#include "server/transport/records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/list.h"
#include "lib/base/sys.h"
#include "lib/tls/tls.h"
#include "server/conn/conn.h"
#include "server/transport/body.h"
#include "server/worker.h"

char *record_buffer_take(struct worker *w)
{
    if (w->nrecord_buffers != 0)
        return w->record_buffers[--w->nrecord_buffers];
    return malloc(RECORD_BUFFER);
}

void record_buffer_give(struct worker *w, char *buffer)
{
    if (buffer != NULL && w->nrecord_buffers < RECORD_BUFFERS_KEPT)
        w->record_buffers[w->nrecord_buffers++] = buffer;
    else
        free(buffer);
}

void record_buffers_free(struct worker *w)
{
    while (w->nrecord_buffers != 0)
        free(w->record_buffers[--w->nrecord_buffers]);
}

static struct worker *worker_of(const struct tls_output *out)
{
    const struct conn *c = container_of(out, struct tls, out)->owner;

    return c->worker;
}

// A buffer of the worker's kind is known by its size.
static void give_back(struct worker *w, char *p, size_t cap)
{
    if (cap == RECORD_BUFFER)
        record_buffer_give(w, p);
    else
        free(p);
}

static void replace(struct tls_output *out, char *p, size_t cap)
{
    size_t waiting = out->len - out->off;

    if (waiting != 0)
        memcpy(p, out->p + out->off, waiting);
    if (out->p != NULL)
        give_back(worker_of(out), out->p, out->cap);
    out->p = p;
    out->cap = cap;
    out->off = 0;
    out->len = waiting;
}

bool records_reserve(struct tls_output *out, size_t more)
{
    size_t need = out->len - out->off + more;
    size_t cap = need <= RECORD_BUFFER ? RECORD_BUFFER : need;
    char *p = cap == RECORD_BUFFER ? record_buffer_take(worker_of(out)) : malloc(cap);

    if (p == NULL)
        return false;
    replace(out, p, cap);
    return true;
}

bool records_waiting(const struct conn *c)
{
    return c->tls != NULL && c->tls->out.len != c->tls->out.off;
}

void records_drop(struct conn *c)
{
    struct tls_output *out = &c->tls->out;

    if (out->p != NULL)
        give_back(c->worker, out->p, out->cap);
    out->p = NULL;
    out->off = out->len = out->cap = 0;
}

// What a client left may stay for long.
static void shrink(struct tls_output *out)
{
    size_t waiting = out->len - out->off;

    if (out->cap < RECORD_BUFFER || waiting > RECORD_BUFFER / 2)
        return;
    char *p = malloc(waiting);
    if (p != NULL)
        replace(out, p, waiting);
}

static enum transport_result failed(struct conn *c, int err)
{
    if (c->request != NULL)
        return transport_not_sent(c->request, err, "send()");
    if (err == ENOBUFS || err == ENOMEM)
        return TRANSPORT_RETRY;
    return err == EAGAIN || err == EINTR ? TRANSPORT_AGAIN : TRANSPORT_ERROR;
}

enum transport_result records_flush(struct conn *c)
{
    struct tls_output *out = &c->tls->out;
    enum transport_result rc = TRANSPORT_AGAIN;

    if (out->p == NULL || out->len == out->off) {
        records_drop(c);
        return TRANSPORT_DONE;
    }
    ssize_t n = sys->send(c->fd, out->p + out->off, out->len - out->off, MSG_NOSIGNAL);
    if (n < 0) {
        rc = failed(c, errno);
        n = 0;
    }
    out->off += (size_t)n;
    c->taken += (uint64_t)n;
    if (out->off == out->len) {
        records_drop(c);
        return TRANSPORT_DONE;
    }
    if (rc != TRANSPORT_ERROR)
        shrink(out);
    return rc;
}

enum transport_result records_flush_batch(struct conn *c)
{
    if (!records_waiting(c))
        return TRANSPORT_DONE;
    enum transport_result rc = records_flush(c);
    if (rc == TRANSPORT_DONE)
        c->batch = min_of(c->batch * 2, RECORD_BATCH);
    else
        c->batch = max_of(c->batch / 2, RECORD_BATCH_MIN);
    return rc;
}
