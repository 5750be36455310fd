// SPDX-License-Identifier: Apache-2.0
#include "server/filters/body_memory.h"

#include <errno.h>

#include "lib/base/check.h"
#include "lib/file/residency.h"
#include "server/bounds.h"
#include "server/conn/conn.h"
#include "server/request/request.h"
#include "server/worker.h"

static void completed(struct op *op, int32_t res, uint32_t flags)
{
    struct body_read *b = container_of(op, struct body_read, op);
    struct request *r = container_of(b, struct request, body_read);
    struct conn *c = r->conn;

    (void)flags;
    check_magic(r, REQUEST_MAGIC);
    if (res > 0)
        b->n += (uint64_t)res;
    b->err = res < 0 ? -res : 0;
    b->truncated = res == 0;
    conn_enter(c);
    r->owner->ready(r);
    conn_leave(c);
}

static int failed(struct request *r, int err)
{
    r->body_read.p = NULL;
    if (err != 0)
        request_log(r, LOG_LEVEL_CRIT, err, "reading a file to be changed failed");
    else
        request_log(r, LOG_LEVEL_ALERT, 0, "file was truncated while it was being read");
    return 500;
}

static int read_on_ring(struct request *r, const struct slice *s)
{
    struct body_read *b = &r->body_read;
    struct worker *w = r->worker;

    op_init(&b->op, completed);
    stats_add(&w->stats->cold_reads, 1);
    int rc = ring_read(&w->ring, &b->op, s->file->fd, b->p + b->n, (unsigned)(s->len - b->n),
                       s->off + b->n);
    return rc == 0 ? PHASE_WAIT : failed(r, -rc);
}

static int read_rest(struct request *r, const struct slice *s)
{
    struct body_read *b = &r->body_read;

    while (b->n < s->len) {
        ssize_t n = file_read_cached(s->file->fd, b->p + b->n, s->len - b->n, s->off + b->n);
        // Some file systems (FUSE, NFS) cannot say what is in memory.
        if (n == -EAGAIN || n == -EOPNOTSUPP)
            return read_on_ring(r, s);
        if (n <= 0)
            return failed(r, (int)-n);
        b->n += (uint64_t)n;
    }
    return 0;
}

int body_memory(struct request *r)
{
    struct slice *s = r->response.body;
    struct body_read *b = &r->body_read;

    if (s == NULL || s->file == NULL)
        return 0;
    check(s->next == NULL && s->len <= BODY_MEMORY_MAX && !op_in_flight(&b->op));
    if (b->p == NULL)
        *b = (struct body_read){.p = arena_alloc(&r->arena, s->len)};
    if (b->p == NULL)
        return 500;
    if (b->err != 0 || b->truncated)
        return failed(r, b->err);
    int rc = read_rest(r, s);
    if (rc != 0)
        return rc;
    *s = (struct slice){.p = b->p, .len = s->len};
    b->p = NULL;
    return 0;
}
