// SPDX-License-Identifier: Apache-2.0
//
// All log writers of one worker: one for each log file of the configuration, and a few for files
// that are only known by path when a request ends (log_writer_paths.c).
#include <errno.h>
#include <stdlib.h>

#include "server/config/config.h"
#include "server/log/log_writer_priv.h"
#include "server/worker.h"

#define FINISH_WAIT_MS 2000 // a disk that does not answer must not keep a worker from ending

static unsigned count_files(const struct config *c)
{
    unsigned n = 0;

    list_each (it, &c->log_files)
        n++;
    return n;
}

static int make_files(struct worker *w, struct log_writers *logs)
{
    unsigned n = count_files(w->config);

    logs->files = calloc(n != 0 ? n : 1, sizeof(*logs->files));
    if (logs->files == NULL)
        return -ENOMEM;
    logs->nfiles = n;
    list_each (it, &w->config->log_files) {
        const struct log_file *f = container_of(it, struct log_file, node);
        log_writer_init(&logs->files[f->index], w, f);
    }
    return 0;
}

int log_writers_init(struct worker *w)
{
    struct log_writers *logs = calloc(1, sizeof(*logs));

    if (logs == NULL)
        return -ENOMEM;
    list_init(&logs->due);
    list_init(&logs->retired);
    w->logs = logs;
    int rc = make_files(w, logs);
    if (rc == 0)
        rc = log_paths_init(w, logs);
    if (rc == 0)
        rc = log_sinks_init(w);
    if (rc != 0) {
        free(logs->caches);
        free(logs->files);
        free(logs);
        w->logs = NULL;
    }
    return rc;
}

// Buffered lines wait for a full buffer or for the flush timer, which the first of them starts.
static void add(struct log_writer *lw, const char *line, size_t n, int64_t buffer, int64_t flush_ms)
{
    size_t held = lw->filling.raw;

    if ((size_t)buffer > lw->buffer)
        lw->buffer = (size_t)buffer;
    log_writer_append(lw, line, n);
    if (held + n > (size_t)buffer)
        log_writer_due(lw);
    else if (flush_ms > 0 && !timer_armed(&lw->flush))
        timer_arm(&lw->worker->ring.wheel, &lw->flush, (uint64_t)flush_ms);
}

void log_writer_add(struct worker *w, const struct log_file *file, const char *line, size_t n,
                    int64_t buffer, int64_t flush_ms)
{
    add(&w->logs->files[file->index], line, n, buffer, flush_ms);
}

void log_writers_turn(struct worker *w)
{
    struct list due;

    // What cannot be submitted now puts itself back for the next turn.
    list_init(&due);
    list_splice(&due, &w->logs->due);
    while (!list_empty(&due))
        log_writer_submit(list_first(&due, struct log_writer, due_node));
}

void log_writers_reopen(struct worker *w)
{
    // Files of the configuration got new descriptors in the old numbers; lines already gathered go
    // there, as they do in nginx.
    log_paths_retire_all(w->logs);
}

static bool any_in_flight(const struct log_writers *logs)
{
    for (unsigned i = 0; i < logs->nfiles; i++) {
        if (op_in_flight(&logs->files[i].op))
            return true;
    }
    return !list_empty(&logs->retired);
}

struct patience {
    struct timer timer;
    bool over;
};

static void lose_patience(struct timer *t)
{
    container_of(t, struct patience, timer)->over = true;
}

// Everything is made due; the ring writes it. What is left after that is written here.
static bool settle(struct worker *w)
{
    struct patience p = {.over = false};

    timer_init(&p.timer, lose_patience);
    timer_arm(&w->ring.wheel, &p.timer, FINISH_WAIT_MS);
    while (any_in_flight(w->logs) && !p.over) {
        log_writers_turn(w);
        if (any_in_flight(w->logs) && ring_turn(&w->ring, true) != 0)
            break;
    }
    timer_cancel(&w->ring.wheel, &p.timer);
    return !any_in_flight(w->logs);
}

void log_writers_finish(struct worker *w)
{
    struct log_writers *logs = w->logs;

    if (logs == NULL)
        return;
    log_paths_retire_all(logs);
    bool quiet = settle(w);
    for (unsigned i = 0; i < logs->nfiles; i++) {
        if (!op_in_flight(&logs->files[i].op))
            log_writer_drain(&logs->files[i]);
    }
    log_sinks_finish(w);
    // A write that does not come home may still read its buffer: that stays allocated.
    if (!quiet)
        return;
    for (unsigned i = 0; i < logs->nfiles; i++)
        log_writer_release(&logs->files[i]);
    free(logs->caches);
    free(logs->files);
    free(logs);
    w->logs = NULL;
}
