// SPDX-License-Identifier: Apache-2.0
//
// Units of HTTP/2: gathering them, settling what went, and choosing the way they go.
#include "server/transport/units_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "lib/base/check.h"
#include "lib/base/log.h"
#include "lib/base/sys.h"
#include "lib/file/residency.h"
#include "server/conn/protocol.h"
#include "server/request/request.h"
#include "server/transport/body.h"

#define SCATTER_MAX 20 // frames of 16 KiB in a batch, and a few

// Do the next unit's file bytes go on where those before it end?
static bool follows(const struct unit *next, const struct unit *first, uint64_t end)
{
    return next->len != 0 && next->request == first->request && next->off == end;
}

static void add(struct gathered *g, const void *p, size_t n)
{
    size_t part = min_of(n, g->most - g->len);

    if (part != 0)
        memcpy(g->p + g->len, p, part);
    g->len += part;
}

// Where the bytes of one read go: behind each header in turn.
struct scatter {
    struct iovec iov[SCATTER_MAX];
    int n;
};

// Leaves room for `len` bytes, less than there was or as many. Returns the end of it.
static char *scatter_cut(struct scatter *to, uint64_t len)
{
    int i = 0;

    while (len > to->iov[i].iov_len)
        len -= to->iov[i++].iov_len;
    to->iov[i].iov_len = len;
    to->n = i + 1;
    return (char *)to->iov[i].iov_base + len;
}

// What a fetch has just brought in is read though the file system does not say that it is there.
static ssize_t read_part(const struct gathered_part *part, struct scatter *to)
{
    const struct body_source *src = &part->src;
    ssize_t n = -1;

    scatter_cut(to, src->len);
    if (to->n > 1)
        n = sys->preadv2(src->fd, to->iov, to->n, (off_t)src->off, RWF_NOWAIT);
    if (n < 0) // which may be what only this one knows how to take
        n = file_read_cached(src->fd, to->iov[0].iov_base, to->iov[0].iov_len, src->off);
    uint64_t ready = body_fetched(&part->request->response, part->slice.off);
    if ((n != -EAGAIN && n != -EOPNOTSUPP) || ready == 0)
        return n;
    scatter_cut(to, min_of(src->len, ready));
    n = sys->preadv2(src->fd, to->iov, to->n, (off_t)src->off, 0);
    return n < 0 ? -errno : n;
}

// True when all of it was read. A header whose bytes may be long in coming waits with them.
static bool read_file(struct gathered *g, struct request *r, const struct slice *s,
                      struct scatter *to, size_t without)
{
    struct gathered_part *part = &g->parts[g->nparts++];

    part->request = r;
    part->slice = *s;
    body_source_open(r, s, s->len, &part->src);
    ssize_t n = read_part(part, to);
    part->n = n > 0 ? (uint64_t)n : 0;
    g->read = n > 0 ? 1 : (int)n;
    if (part->n == s->len)
        return true;
    g->len = n > 0 ? (size_t)(scatter_cut(to, part->n) - g->p) : without;
    return false;
}

// The next unit, and those that go on where its file's bytes end. True when *count of them are
// there, or as much as there is room for.
static bool add_run(struct gathered *g, const struct unit *u, size_t n, size_t *count)
{
    struct scatter to = {.n = 0};
    struct slice s = {.off = u->off};
    size_t before = g->len;

    *count = 0;
    do {
        const struct unit *next = &u[(*count)++];
        add(g, next->head + next->at, FRAME_HEADER - next->at);
        add(g, next->p, next->n);
        size_t part = min_of(next->len, g->most - g->len);
        if (part == 0)
            break;
        to.iov[to.n++] = (struct iovec){g->p + g->len, part};
        g->len += part;
        s.len += part;
    } while (*count < n && to.n < SCATTER_MAX && g->len < g->most &&
             follows(&u[*count], u, s.off + s.len) && u[*count].len <= g->file_most);
    if (s.len == 0)
        return true;
    s.file = u->request->response.file;
    return read_file(g, u->request, &s, &to, before);
}

void units_gather(const struct units *us, struct gathered *g, char *p, size_t most,
                  uint32_t file_most)
{
    size_t count;

    g->p = p;
    g->len = 0;
    g->most = most;
    g->file_most = file_most;
    g->read = 1;
    g->nparts = 0;
    for (size_t i = 0; i < us->n; i += count) {
        const struct unit *u = &us->u[i];
        if (g->len == most || g->nparts == GATHER_PARTS || u->len > file_most)
            return;
        if (!add_run(g, u, us->n - i, &count))
            return;
    }
}

void units_settle(struct units *us, struct gathered *g, size_t gone)
{
    uint64_t file = units_take(us, gone);

    for (size_t i = 0; i < g->nparts; i++) {
        struct gathered_part *part = &g->parts[i];
        uint64_t sent = min_of(file, part->n);
        body_source_close(part->request, &part->slice, &part->src, sent, true);
        file -= sent;
    }
}

// How many of them are the file's.
static uint64_t take(struct unit *u, uint64_t n)
{
    if (u->request != NULL)
        u->request->response.sent_bytes += n;
    uint64_t head = min_of(n, (uint64_t)(FRAME_HEADER - u->at));
    u->at = (uint8_t)(u->at + head);
    n -= head;
    uint32_t memory = (uint32_t)min_of(n, (uint64_t)u->n);
    if (memory != 0)
        u->p += memory;
    u->n -= memory;
    n -= memory;
    check(n <= u->len);
    u->off += n;
    u->len -= (uint32_t)n;
    return n;
}

uint64_t units_take(struct units *us, uint64_t gone)
{
    uint64_t file = 0;

    while (us->n != 0) {
        uint64_t n = min_of(gone, unit_left(us->u));
        file += take(us->u, n);
        gone -= n;
        if (unit_left(us->u) != 0)
            break;
        us->u++;
        us->n--;
    }
    check(gone == 0);
    return file;
}

struct slice units_run(const struct units *us)
{
    const struct unit *u = us->u;
    struct slice run = {.file = u->request->response.file, .off = u->off, .len = u->len};

    for (size_t i = 1; i < us->n && follows(&u[i], u, run.off + run.len); i++)
        run.len += u[i].len;
    return run;
}

enum transport_result units_stopped(struct units *us, int read)
{
    struct request *r = us->u->request;
    struct slice run = units_run(us);

    switch (read) {
    case 0:
        request_log(r, LOG_LEVEL_ALERT, 0, "file was truncated while it was being sent");
        return TRANSPORT_ERROR;
    case -EAGAIN:
    case -EOPNOTSUPP:
        // One that is under way for what comes later has to end first.
        return op_in_flight(&r->fetch) ? TRANSPORT_FILE : body_fetch(r, &run, run.len);
    default:
        return transport_failed(r, -read, "pread()");
    }
}

enum transport_result units_not_sent(struct units *us, int err, const char *call)
{
    struct request *r = us->n != 0 ? us->u->request : NULL;

    return conn_not_sent(us->c, r, err, call);
}

enum transport_result units_send(struct conn *c, struct unit *u, size_t n, size_t *sent)
{
    struct units us = {.c = c, .u = u, .n = n};
    enum transport_result rc;

    if (c->transport == &transport_userspace)
        rc = units_send_userspace(&us);
    else if (c->transport == &transport_kernel)
        rc = units_send_kernel(&us);
    else
        rc = units_send_plain(&us);
    *sent = n - us.n;
    return rc;
}
