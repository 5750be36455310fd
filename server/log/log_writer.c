// SPDX-License-Identifier: Apache-2.0
//
// The writer of one log file. A worker must not wait for the log's disk, so every append is an
// operation on the ring; at most one for each file is in flight, which keeps the lines in order.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "server/log/log_writer_priv.h"
#include "server/worker.h"

#define FIRST_BUFFER 4096

static void completed(struct op *op, int32_t res, uint32_t flags);

static void flush_fired(struct timer *t)
{
    log_writer_due(container_of(t, struct log_writer, flush));
}

void log_writer_init(struct log_writer *lw, struct worker *w, const struct log_file *file)
{
    *lw = (struct log_writer){.worker = w, .file = file, .fd = -1};
    list_init(&lw->node);
    list_init(&lw->due_node);
    op_init(&lw->op, completed);
    timer_init(&lw->flush, flush_fired);
}

static void free_buffer(struct log_buffer *b)
{
    free(b->p);
    *b = (struct log_buffer){0};
}

void log_writer_release(struct log_writer *lw)
{
    check(!op_in_flight(&lw->op));
    timer_cancel(&lw->worker->ring.wheel, &lw->flush);
    list_remove(&lw->due_node);
    free_buffer(&lw->filling);
    free_buffer(&lw->flight);
    log_gzip_free(lw->gzip);
    lw->gzip = NULL;
}

static size_t in_flight(const struct log_writer *lw)
{
    return lw->flight.n - lw->written;
}

bool log_writer_holds(const struct log_writer *lw)
{
    return lw->filling.raw != 0 || in_flight(lw) != 0;
}

static const char *path_of(const struct log_writer *lw)
{
    if (lw->file == NULL)
        return lw->path;
    return lw->file->path != NULL ? lw->file->path : "stderr";
}

static bool may_alert(struct log_writer *lw)
{
    uint64_t now = clock_mono_ms();

    if (lw->error_log || (lw->alerted && now - lw->alert_ms < LOG_DROP_ALERT_MS))
        return false;
    lw->alerted = true;
    lw->alert_ms = now;
    return true;
}

static void count_dropped(struct log_writer *lw, uint64_t lines, int err)
{
    stats_add(&lw->worker->stats->log_lines_dropped, (int64_t)lines);
    if (!may_alert(lw))
        return;
    if (err != 0)
        log_alert(err, "write() to \"%s\" failed, log lines are dropped", path_of(lw));
    else
        log_alert(0, "log lines for \"%s\" come faster than they are written, some are dropped",
                  path_of(lw));
}

static bool is_compressed(const struct log_writer *lw)
{
    return lw->file != NULL && lw->file->gzip != 0;
}

static uint64_t count_lines(const char *p, size_t n)
{
    uint64_t lines = 0;
    const char *end = p + n;

    while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        lines++;
        p++;
    }
    return lines;
}

static uint64_t lines_in_flight(const struct log_writer *lw)
{
    if (in_flight(lw) == 0)
        return 0;
    if (is_compressed(lw))
        return lw->flight.lines;
    return count_lines(lw->flight.p + lw->written, in_flight(lw));
}

static uint64_t lines_filling(const struct log_writer *lw)
{
    if (lw->filling.raw == 0)
        return 0;
    return is_compressed(lw) ? lw->filling.lines : count_lines(lw->filling.p, lw->filling.n);
}

static void empty_buffer(struct log_buffer *b)
{
    b->n = b->raw = 0;
    b->lines = 0;
}

static void empty_flight(struct log_writer *lw)
{
    empty_buffer(&lw->flight);
    lw->written = 0;
    if (lw->flight.cap > max_of((size_t)LOG_BUFFER_KEEP, 2 * lw->buffer))
        free_buffer(&lw->flight);
}

void log_writer_drop_all(struct log_writer *lw, int err)
{
    uint64_t lines = lines_in_flight(lw) + lines_filling(lw);

    empty_flight(lw);
    empty_buffer(&lw->filling);
    if (lw->gzip != NULL)
        log_gzip_reset(lw->gzip);
    if (lines != 0)
        count_dropped(lw, lines, err);
}

static bool make_room(struct log_buffer *b, size_t n)
{
    size_t cap = b->cap != 0 ? b->cap : FIRST_BUFFER;

    if (likely(b->cap - b->n >= n))
        return true;
    while (cap - b->n < n)
        cap *= 2;
    char *p = realloc(b->p, cap);
    if (p == NULL)
        return false;
    b->p = p;
    b->cap = cap;
    return true;
}

// A blocked terminal is the user's own doing, and standard error has no order to keep with us.
static void write_stderr(const char *line, size_t n)
{
    if (write(STDERR_FILENO, line, n) < 0)
        return;
}

static void drop_filling(struct log_writer *lw, uint64_t more)
{
    count_dropped(lw, lines_filling(lw) + more, 0);
    empty_buffer(&lw->filling);
}

// Room for the whole member is made first, so that a line is in it or was never begun.
static bool compress(struct log_writer *lw, const char *line, size_t n)
{
    struct log_buffer *b = &lw->filling;
    size_t made;

    if (lw->gzip == NULL)
        lw->gzip = log_gzip_new(lw->file->gzip, lw->file->gzip_buffer);
    if (lw->gzip == NULL || !make_room(b, log_gzip_bound(lw->gzip, b->raw + n) - b->n))
        return false;
    if (!log_gzip_add(lw->gzip, line, n, false, b->p + b->n, b->cap - b->n, &made)) {
        drop_filling(lw, 0);
        return false;
    }
    b->n += made;
    b->lines++;
    return true;
}

static bool copy(struct log_writer *lw, const char *line, size_t n)
{
    struct log_buffer *b = &lw->filling;

    if (unlikely(!make_room(b, n)))
        return false;
    memcpy(b->p + b->n, line, n);
    b->n += n;
    return true;
}

void log_writer_append(struct log_writer *lw, const char *line, size_t n)
{
    size_t most = max_of((size_t)LOG_PENDING_MAX, 2 * lw->buffer);

    if (lw->file != NULL && lw->file->path == NULL) {
        write_stderr(line, n);
        return;
    }
    bool room = lw->filling.n + in_flight(lw) + n <= most;
    if (unlikely(!room || !(is_compressed(lw) ? compress(lw, line, n) : copy(lw, line, n)))) {
        count_dropped(lw, 1, 0);
        return;
    }
    lw->filling.raw += n;
}

void log_writer_due(struct log_writer *lw)
{
    if (op_in_flight(&lw->op))
        lw->again = true;
    else if (lw->due_node.next == &lw->due_node)
        list_append(&lw->worker->logs->due, &lw->due_node);
}

static int start_open(struct log_writer *lw)
{
    lw->how = (struct open_how){
        .flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
        .mode = 0644,
    };
    return ring_openat2(&lw->worker->ring, &lw->op, AT_FDCWD, lw->path, &lw->how);
}

static int fd_of(const struct log_writer *lw)
{
    return lw->file != NULL ? lw->file->fd : lw->fd;
}

// What goes out at a time is a whole gzip member.
static void end_member(struct log_writer *lw)
{
    struct log_buffer *b = &lw->filling;
    size_t made;

    if (!is_compressed(lw) || b->raw == 0)
        return;
    if (log_gzip_add(lw->gzip, NULL, 0, true, b->p + b->n, b->cap - b->n, &made))
        b->n += made;
    else
        drop_filling(lw, 0);
}

static void take_filling(struct log_writer *lw)
{
    struct log_buffer empty = lw->flight;

    end_member(lw);
    lw->flight_ticket = lw->worker->logs->error_tickets;
    lw->flight = lw->filling;
    lw->filling = empty;
    empty_buffer(&lw->filling);
    lw->written = 0;
}

static int start_write(struct log_writer *lw)
{
    if (in_flight(lw) == 0)
        take_filling(lw);
    return ring_write(&lw->worker->ring, &lw->op, fd_of(lw), lw->flight.p + lw->written,
                      (unsigned)in_flight(lw), (uint64_t)-1);
}

void log_writer_submit(struct log_writer *lw)
{
    int rc;

    list_remove(&lw->due_node);
    timer_cancel(&lw->worker->ring.wheel, &lw->flush);
    if (op_in_flight(&lw->op) || !log_writer_holds(lw)) {
        log_writer_maybe_free(lw);
        return;
    }
    rc = lw->file == NULL && lw->fd < 0 ? start_open(lw) : start_write(lw);
    if (rc != 0) {
        // The submission queue is full: the next turn finds room.
        log_writer_due(lw);
        ring_stay_awake(&lw->worker->ring);
    }
}

// O_NONBLOCK is for the open alone, which must not wait for a FIFO's reader. Kept, it would make
// the ring give -EAGAIN for writes on file systems without FMODE_NOWAIT (overlayfs).
static void opened(struct log_writer *lw, int32_t res)
{
    if (res < 0) {
        log_crit(-res, "open() \"%s\" failed", lw->path);
        lw->alerted = true; // what is dropped has been explained
        lw->alert_ms = clock_mono_ms();
        log_writer_drop_all(lw, -res);
        log_writer_retire(lw);
        return;
    }
    lw->fd = res;
    lw->opened_ms = clock_mono_ms();
    if (fcntl(lw->fd, F_SETFL, O_APPEND) != 0)
        log_alert(errno, "fcntl() \"%s\" failed", lw->path);
    log_writer_due(lw);
}

// Nothing is left to be written. A path with too few lines is not kept open (min_uses).
static void rest(struct log_writer *lw)
{
    if (lw->file == NULL && !lw->retired && lw->uses < lw->policy->min_uses) {
        close(lw->fd);
        lw->fd = -1;
    }
    log_writer_maybe_free(lw);
}

static void wrote(struct log_writer *lw, int32_t res)
{
    if (res > 0) {
        lw->written += (size_t)res;
    } else if (res != -EINTR) {
        uint64_t lines = lines_in_flight(lw);
        empty_flight(lw);
        count_dropped(lw, lines, res == 0 ? ENOSPC : -res);
    }
    bool more = lw->again || in_flight(lw) != 0;
    lw->again = false;
    if (in_flight(lw) == 0) {
        lw->done_ticket = lw->flight_ticket;
        empty_flight(lw);
    }
    if (more)
        log_writer_due(lw);
    else
        rest(lw);
}

// The writer may be gone afterwards.
static void completed(struct op *op, int32_t res, uint32_t flags)
{
    struct log_writer *lw = container_of(op, struct log_writer, op);

    (void)flags;
    if (lw->file == NULL && lw->fd < 0)
        opened(lw, res);
    else
        wrote(lw, res);
}

static bool write_some(struct log_writer *lw, int fd, int *err)
{
    if (in_flight(lw) == 0)
        take_filling(lw);
    ssize_t n = write(fd, lw->flight.p + lw->written, in_flight(lw));
    *err = n < 0 ? errno : ENOSPC;
    if (n > 0)
        lw->written += (size_t)n;
    return n > 0 || (n < 0 && errno == EINTR);
}

void log_writer_drain(struct log_writer *lw)
{
    int fd = fd_of(lw), err = EBADF;

    while (fd >= 0 && log_writer_holds(lw) && write_some(lw, fd, &err))
        continue;
    log_writer_drop_all(lw, err);
}

void log_writer_maybe_free(struct log_writer *lw)
{
    if (!lw->retired || op_in_flight(&lw->op) || log_writer_holds(lw))
        return;
    log_writer_release(lw);
    list_remove(&lw->node);
    if (lw->fd >= 0)
        close(lw->fd);
    free(lw->path);
    free(lw);
}
