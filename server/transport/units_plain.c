// SPDX-License-Identifier: Apache-2.0
//
// Units over plain TCP, and over kernel TLS. Over TCP all is copied into one buffer of the worker's
// and goes with one send: measured, a header and a sendfile for each 16 KiB cost half as much again
// with cubic, and two to three times as much where TCP paces (BBR). The kernel's TLS reads pages
// anyway, so there a frame of a file goes by sendfile behind its header, and both are one record.
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/sys.h"
#include "lib/file/extent.h"
#include "server/bounds.h"
#include "server/conn/conn.h"
#include "server/request/request.h"
#include "server/transport/body.h"
#include "server/transport/units_priv.h"
#include "server/worker.h"

// What a reader did not take was read from the page cache in vain: the next batch is as large as
// what it took, and grows again while it takes all.
static void follow_reader(struct conn *c, size_t gathered, size_t gone)
{
    if (gone != gathered)
        c->batch = max_of((uint32_t)gone, RECORD_BATCH_MIN);
    else if (gone >= c->batch)
        c->batch = min_of(c->batch * 2, RECORD_BATCH);
}

static enum transport_result send_gathered(struct units *us, uint32_t file_most)
{
    struct conn *c = us->c;
    struct gathered g;
    char *buffer = record_buffer_take(c->worker);
    enum transport_result rc = TRANSPORT_DONE;
    ssize_t n = 0;

    if (buffer == NULL)
        return TRANSPORT_RETRY;
    if (c->batch == 0)
        c->batch = RECORD_BATCH;
    units_gather(us, &g, buffer, c->batch, file_most);
    if (g.len != 0) {
        n = sys->send(c->fd, buffer, g.len, MSG_NOSIGNAL);
        if (n < 0)
            rc = units_not_sent(us, errno, "send()");
        n = max_of(n, (ssize_t)0);
        if (rc == TRANSPORT_DONE && (size_t)n != g.len)
            rc = TRANSPORT_AGAIN;
        follow_reader(c, g.len, (size_t)n);
    }
    c->taken += (uint64_t)n;
    units_settle(us, &g, (size_t)n);
    record_buffer_give(c->worker, buffer);
    if (rc == TRANSPORT_DONE && units_are_stopped(&g))
        return units_stopped(us, g.read);
    return rc;
}

enum transport_result units_send_plain(struct units *us)
{
    enum transport_result rc = TRANSPORT_DONE;

    while (rc == TRANSPORT_DONE && us->n != 0)
        rc = send_gathered(us, UINT32_MAX);
    return rc;
}

// The slices of a body may go backwards (several ranges): then the answer is not for this unit.
static bool was_resident(const struct units *us, const struct unit *u)
{
    return us->resident_of == u->request && u->off >= us->resident_from &&
           u->off + u->len <= us->resident_to;
}

// Frames in a row of one file are asked for with one question.
static bool is_resident(struct units *us)
{
    const struct unit *u = us->u;
    const struct ring_features *features = &us->c->worker->ring.features;
    struct slice run = units_run(us);
    uint64_t now = clock_mono_ms();

    if (was_resident(us, u))
        return true;
    if (extent_resident(features, run.file, run.off, run.len, now)) {
        us->resident_of = u->request;
        us->resident_from = run.off;
        us->resident_to = run.off + run.len;
        return true;
    }
    return run.len != u->len && extent_resident(features, run.file, u->off, u->len, now);
}

// Header and memory, with the record kept open.
static enum transport_result send_front(struct units *us)
{
    struct unit *u = us->u;
    struct iovec iov[] = {{u->head + u->at, (size_t)(FRAME_HEADER - u->at)},
                          {(char *)(uintptr_t)u->p, u->n}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = array_len(iov)};
    size_t wanted = iov[0].iov_len + iov[1].iov_len;

    if (wanted == 0)
        return TRANSPORT_DONE;
    ssize_t n = sys->sendmsg(us->c->fd, &msg, MSG_NOSIGNAL | MSG_MORE);
    if (n < 0)
        return units_not_sent(us, errno, "sendmsg()");
    us->c->taken += (uint64_t)n;
    units_take(us, (uint64_t)n);
    return (size_t)n == wanted ? TRANSPORT_DONE : TRANSPORT_AGAIN;
}

static enum transport_result send_extent(struct units *us)
{
    struct conn *c = us->c;
    struct request *r = us->u->request;
    struct slice s = {.file = r->response.file, .off = us->u->off, .len = us->u->len};
    uint64_t ready = body_fetched(&r->response, s.off);
    struct body_source src;

    // Before the header: nothing waits for a disk with a record open.
    if (ready == 0 && !is_resident(us))
        return units_stopped(us, -EAGAIN);
    enum transport_result rc = send_front(us);
    if (rc != TRANSPORT_DONE)
        return rc;
    body_source_open(r, &s, ready == 0 ? s.len : min_of(s.len, ready), &src);
    off_t off = (off_t)src.off;
    ssize_t n = sys->sendfile(c->fd, src.fd, &off, src.len);
    int err = errno;
    body_source_close(r, &s, &src, n > 0 ? (uint64_t)n : 0, true);
    if (n < 0)
        return units_not_sent(us, err, "sendfile()");
    if (n == 0)
        return units_stopped(us, 0);
    c->taken += (uint64_t)n;
    units_take(us, (uint64_t)n);
    return (uint64_t)n == src.len ? TRANSPORT_DONE : TRANSPORT_AGAIN;
}

enum transport_result units_send_kernel(struct units *us)
{
    enum transport_result rc = TRANSPORT_DONE;

    while (rc == TRANSPORT_DONE && us->n != 0) {
        if (us->u->len > SMALL_TLS_BODY_MAX)
            rc = send_extent(us);
        else
            rc = send_gathered(us, SMALL_TLS_BODY_MAX);
    }
    return rc;
}
