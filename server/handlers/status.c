// SPDX-License-Identifier: Apache-2.0
//
// `status [json|prometheus];`: the counters of all silos. Without a word the request decides: the
// argument `format`, else the Accept header (a scraper asks for text/plain or OpenMetrics, a
// browser and most tools don't), else JSON.
#include "server/handlers/status.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/http/uri.h"
#include "server/handlers/handlers.h"
#include "server/process/stats_view.h"
#include "server/request/request.h"

typedef void (*writer)(FILE *out, const struct stats_snapshot *s);

// Into memory that the caller frees. 0 or -ENOMEM.
static int write_text(writer write, char **text, size_t *n)
{
    struct stats_snapshot *s = stats_snapshot_new();
    FILE *out = s != NULL ? open_memstream(text, n) : NULL;
    int rc = -ENOMEM;

    if (out != NULL) {
        stats_snapshot_take(NULL, s);
        write(out, s);
        rc = ferror(out) ? -ENOMEM : 0;
        if (fclose(out) != 0)
            rc = -ENOMEM;
        if (rc != 0)
            free(*text);
    }
    stats_snapshot_free(s);
    return rc;
}

static struct sv status_text(struct request *r, writer write)
{
    struct sv copy = {NULL, 0};
    char *text;
    size_t n;

    if (write_text(write, &text, &n) != 0)
        return copy;
    copy = arena_sv(&r->arena, sv_of(text, n));
    free(text);
    return copy;
}

static int answer(struct request *r, writer write)
{
    struct response *s = &r->response;

    if (r->method != METHOD_GET && r->method != METHOD_HEAD)
        return 405;
    struct sv text = status_text(r, write);
    if (text.p == NULL || response_add_header(r, SV("Cache-Control"), SV("no-store")) != 0)
        return 500;
    s->status = 200;
    s->content_type = SV("application/json");
    if (write == status_write_prometheus) {
        s->content_type = SV("text/plain; version=0.0.4");
        s->charset = SV("utf-8");
    }
    s->content_length = (int64_t)text.n;
    if (r->header_only)
        return PHASE_DONE;
    return response_add_memory(r, text) == 0 ? PHASE_DONE : 500;
}

// Is the media type one of an Accept header (RFC 9110, 12.5.1)? By its own name alone: wildcards
// are what a browser sends.
static bool accepts(struct sv header, struct sv type)
{
    while (header.n != 0) {
        ptrdiff_t comma = sv_find(header, ',');
        struct sv range = comma < 0 ? header : sv_take(header, (size_t)comma);
        ptrdiff_t parameters = sv_find(range, ';');

        if (parameters >= 0)
            range = sv_take(range, (size_t)parameters);
        if (sv_eq_nocase(sv_trim(range), type))
            return true;
        header = comma < 0 ? sv_of(NULL, 0) : sv_skip(header, (size_t)comma + 1);
    }
    return false;
}

// NULL for a format that does not exist.
static writer negotiate(const struct request *r)
{
    struct sv accept = request_header(r, SV("accept"));
    struct sv format;

    if (uri_arg(r->args, SV("format"), &format)) {
        if (sv_eq(format, SV("prometheus")))
            return status_write_prometheus;
        return sv_eq(format, SV("json")) ? status_write_json : NULL;
    }
    if (accepts(accept, SV("application/json")))
        return status_write_json;
    if (accepts(accept, SV("text/plain")) || accepts(accept, SV("application/openmetrics-text")))
        return status_write_prometheus;
    return status_write_json;
}

int handler_status(struct request *r)
{
    writer write = negotiate(r);

    return write != NULL ? answer(r, write) : 400;
}

int handler_status_json(struct request *r)
{
    return answer(r, status_write_json);
}

int handler_status_prometheus(struct request *r)
{
    return answer(r, status_write_prometheus);
}
