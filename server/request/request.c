// SPDX-License-Identifier: Apache-2.0
//
// Birth and end of a request, and the loop that walks its phases.
#include "server/request/request.h"
#include "server/request/request_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "server/log/access_log.h"
#include "server/conn/conn.h"
#include "server/limits/limit_conn.h"
#include "server/log/log_writer.h"
#include "server/phases/phases.h"
#include "server/vars/vars.h"
#include "server/transport/dropping.h"
#include "server/worker.h"

#define FREE_REQUESTS_MAX 256

static void fetched(struct op *op, int32_t res, uint32_t flags)
{
    struct request *r = container_of(op, struct request, fetch);
    struct conn *c = r->conn;

    (void)flags;
    check_magic(r, REQUEST_MAGIC);
    conn_enter(c);
    r->owner->fetched(r, res);
    conn_leave(c);
}

struct request *request_take(struct worker *w)
{
    struct request *r = w->free_requests;

    if (r != NULL) {
        w->free_requests = r->next_free;
        w->nfree_requests--;
    } else {
        r = malloc(sizeof(*r));
        if (r == NULL)
            return NULL;
    }
    memset(r, 0, sizeof(*r));
    r->magic = REQUEST_MAGIC;
    r->worker = w;
    arena_init(&r->arena, &w->chunks);
    op_init(&r->fetch, fetched);
    return r;
}

void request_give(struct request *r)
{
    struct worker *w = r->worker;

    arena_reset(&r->arena);
    r->magic = 0;
    if (w->nfree_requests >= FREE_REQUESTS_MAX) {
        free(r);
        return;
    }
    r->next_free = w->free_requests;
    w->free_requests = r;
    w->nfree_requests++;
}

struct request *request_new(struct conn *c, const struct request_owner *owner)
{
    struct worker *w = c->worker;
    struct request *r = request_take(w);
    const struct server_conf *server = conn_server(c);

    if (r == NULL)
        return NULL;
    r->conn = c;
    r->owner = owner;
    r->server = server;
    r->location = server->location;
    r->uri_changes = REQUEST_URI_CHANGES + 1;
    r->start_ms = clock_mono_ms();
    response_init(&r->response);
    c->requests++;
    stats_add(&w->stats->requests, 1);
    return r;
}

bool request_in_flight(const struct request *r)
{
    return r->lookup_in_flight || op_in_flight(&r->body_read.op) || op_in_flight(&r->fetch);
}

void request_end(struct request *r)
{
    struct worker *w = r->worker;

    check_magic(r, REQUEST_MAGIC);
    check(!request_in_flight(r));
    stats_add(&w->stats->bytes_sent, (int64_t)r->response.sent_bytes);
    // A connection that goes without having said anything is no request.
    if (r->parsed.line_len != 0 || r->response.status != 0)
        access_log_write(r);
    limit_conn_leave(r);
    request_drop_file(r);
    dropping_end(r);
    file_put(&w->files, r->response.file);
    request_give(r);
}

void worker_free_requests(struct worker *w)
{
    while (w->free_requests != NULL) {
        struct request *r = w->free_requests;
        w->free_requests = r->next_free;
        free(r);
    }
}

struct http_field_rules request_field_rules(const struct server_conf *s)
{
    return (struct http_field_rules){.max_headers = (uint32_t)s->max_headers,
                                     .underscores = s->underscores_in_headers,
                                     .ignore_invalid = s->ignore_invalid_headers};
}

struct sv request_header(const struct request *r, struct sv name)
{
    int i = http_head_find(&r->parsed, r->head, name);

    if (i < 0)
        return sv_of(NULL, 0);
    return sv_of(r->head + r->parsed.fields[i].value, r->parsed.fields[i].value_len);
}

int request_eval(struct request *r, const struct template *t, struct sv *out)
{
    if (t->constant) {
        *out = t->literal;
        return 0;
    }
    return template_eval(t, &vars_reader, r, &r->arena, out);
}

// One turn of the phase machine; false when the request waits or is over.
static bool step_phase(struct request *r)
{
    // A filter that waited has the response in hand: the phases are over.
    int rc = r->filter != 0 ? PHASE_DONE : phases[r->phase].run(r);

    if (rc > 0)
        rc = request_finish_status(r, (unsigned)rc);
    while (rc == PHASE_DONE) {
        rc = request_respond(r);
        if (rc == PHASE_DONE)
            return false;
        if (rc > 0)
            rc = request_finish_status(r, (unsigned)rc);
    }
    r->step = rc == PHASE_WAIT ? r->step : 0;
    switch (rc) {
    case PHASE_NEXT:
        r->phase++;
        return true;
    case PHASE_RELOCATE:
        r->phase = PHASE_FIND_LOCATION;
        return true;
    case PHASE_TO_NAMED:
        r->phase = PHASE_REWRITE;
        return true;
    case PHASE_CLOSE:
        r->owner->abandon(r);
        return false;
    default:
        return false;
    }
}

void request_run(struct request *r)
{
    struct worker *w = r->worker;

    log_writers_use(w, r->location->error_log);
    while (step_phase(r))
        log_writers_use(w, r->location->error_log);
    // The request may be gone by now.
    log_writers_use(w, NULL);
}

void request_resume(struct request *r)
{
    check_magic(r, REQUEST_MAGIC);
    request_run(r);
}

static int redirect_limit(struct request *r)
{
    if (--r->uri_changes != 0)
        return 0;
    request_log(r, LOG_LEVEL_ERROR, 0,
                "rewrite or internal redirection cycle while internally redirecting to \"%.*s\"",
                SV_ARG(r->path));
    return 500;
}

int request_internal_redirect(struct request *r, struct sv path, struct sv args)
{
    r->path = path;
    r->args = args;
    int rc = redirect_limit(r);
    if (rc != 0)
        return rc;
    r->internal = true;
    r->uri_changed = false;
    return PHASE_RELOCATE;
}

int request_named_location(struct request *r, struct sv name)
{
    const struct location_set *set = r->server->locations;
    struct location_conf *l = set != NULL ? strmap_get(&set->named, name) : NULL;

    if (l == NULL) {
        request_log(r, LOG_LEVEL_ERROR, 0, "could not find named location \"%.*s\"", SV_ARG(name));
        return 500;
    }
    int rc = redirect_limit(r);
    if (rc != 0)
        return rc;
    r->internal = true;
    r->location = l;
    r->uri_changed = false;
    return PHASE_TO_NAMED;
}
