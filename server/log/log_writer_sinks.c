// SPDX-License-Identifier: Apache-2.0
//
// The error log in a worker: its lines go through the same writers as those of the access log, so
// that a full or slow disk stops nobody. A location may have an error log of its own.
#include <errno.h>
#include <stdlib.h>

#include "server/config/config.h"
#include "server/log/log_writer_priv.h"
#include "server/worker.h"

struct writer_sink {
    struct log_sink sink;
    struct log_writer *writer;
};

struct log_chain {
    const struct log_use *use; // the first; what a location has
    struct writer_sink *sinks;
    struct log_chain *next;
};

static bool goes_on(const struct log_sink *sink, enum log_level level)
{
    for (sink = sink->next; sink != NULL; sink = sink->next) {
        if (level <= sink->level)
            return true;
    }
    return false;
}

// Whoever has an answer in hand may look for its error line: the line is on its way to the disk
// before the answer is sent. One that comes while another is in flight goes with the next turn.
static void emit(struct log_sink *sink, enum log_level level, const char *line, size_t n)
{
    struct log_writer *lw = container_of(sink, struct writer_sink, sink)->writer;

    lw->worker->logs->error_tickets++;
    log_writer_append(lw, line, n);
    log_writer_due(lw);
    // A line for several sinks is submitted once, with the last of them: two may be of one file.
    if (goes_on(sink, level) || list_empty(&lw->worker->logs->due))
        return;
    log_writers_turn(lw->worker);
    ring_submit(&lw->worker->ring);
}

static unsigned count_uses(const struct log_use *use)
{
    unsigned n = 0;

    for (; use != NULL; use = use->next)
        n++;
    return n;
}

static struct log_chain *make_chain(struct log_writers *logs, const struct log_use *first)
{
    struct log_chain *c = malloc(sizeof(*c));
    unsigned n = count_uses(first), i = 0;

    if (c == NULL)
        return NULL;
    *c = (struct log_chain){.use = first, .sinks = calloc(n, sizeof(*c->sinks))};
    if (c->sinks == NULL) {
        free(c);
        return NULL;
    }
    for (const struct log_use *use = first; use != NULL; use = use->next, i++) {
        c->sinks[i] = (struct writer_sink){
            .sink = {.level = use->level, .emit = emit, .fd = use->file->fd},
            .writer = &logs->files[use->file->index],
        };
        if (use->next != NULL)
            c->sinks[i].sink.next = &c->sinks[i + 1].sink;
    }
    return c;
}

int log_sinks_init(struct worker *w)
{
    const struct log_use *first = w->config->main.error_log;

    w->sinks = NULL;
    if (first == NULL)
        return 0;
    struct log_chain *c = make_chain(w->logs, first);
    if (c == NULL)
        return -ENOMEM;
    for (const struct log_use *use = first; use != NULL; use = use->next)
        w->logs->files[use->file->index].error_log = true;
    w->logs->chains = c;
    w->sinks = &c->sinks[0].sink;
    log_use(w->sinks);
    return 0;
}

void log_sinks_finish(struct worker *w)
{
    log_use(NULL);
    w->sinks = NULL;
    while (w->logs->chains != NULL) {
        struct log_chain *c = w->logs->chains;
        w->logs->chains = c->next;
        free(c->sinks);
        free(c);
    }
}

// Made when it is first used. Without memory for it the main chain takes the lines.
static struct log_sink *chain_of(struct worker *w, const struct log_use *use)
{
    struct log_chain **at = &w->logs->chains;

    for (; *at != NULL; at = &(*at)->next) {
        if ((*at)->use == use)
            return &(*at)->sinks[0].sink;
    }
    *at = make_chain(w->logs, use);
    return *at != NULL ? &(*at)->sinks[0].sink : w->sinks;
}

void log_writers_use(struct worker *w, const struct log_use *chain)
{
    if (chain == NULL || chain == w->config->main.error_log)
        log_use(w->sinks);
    else
        log_use(chain_of(w, chain));
}

uint64_t log_writers_error_ticket(const struct worker *w)
{
    return w->logs != NULL ? w->logs->error_tickets : 0;
}

static bool is_written(const struct log_writer *lw, uint64_t ticket)
{
    return lw->done_ticket >= ticket || (!op_in_flight(&lw->op) && !log_writer_holds(lw));
}

bool log_writers_errors_written(const struct worker *w, uint64_t ticket)
{
    if (w->logs == NULL)
        return true;
    for (const struct log_chain *c = w->logs->chains; c != NULL; c = c->next) {
        for (const struct log_sink *s = &c->sinks[0].sink; s != NULL; s = s->next) {
            if (!is_written(container_of(s, struct writer_sink, sink)->writer, ticket))
                return false;
        }
    }
    return true;
}
