// SPDX-License-Identifier: Apache-2.0
//
// Access log lines: the parts of a format are written one after the other, values escaped, into a
// line that is then handed to the file's writer.
#include "server/log/access_log.h"

#include <errno.h>

#include "lib/base/check.h"
#include "server/config/http_conf.h"
#include "server/log/log_line.h"
#include "server/log/log_writer.h"
#include "server/request/request.h"
#include "server/vars/vars.h"

static const char combined[] =
    "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent "
    "\"$http_referer\" \"$http_user_agent\"";

int log_format_combined(struct http_conf *http)
{
    struct log_format *f = arena_new(http->vars.arena, struct log_format);
    struct conf_error error;
    struct template *t;

    if (f == NULL)
        return -ENOMEM;
    int rc = template_compile(&http->vars, sv_from(combined), NULL, &t, &error);
    if (rc != 0)
        return rc;
    f->name = SV("combined");
    f->escape = LOG_ESCAPE_DEFAULT;
    f->nparts = t->nparts;
    f->parts = t->parts;
    list_append(&http->log_formats, &f->node);
    return 0;
}

static void put_value(struct log_line *line, struct request *r, const struct template_part *part,
                      enum log_escape escape)
{
    struct sv value;
    bool found = part->var != NULL ? vars_reader.read(r, part->var, &value)
                                   : vars_reader.capture(r, part->capture, &value);

    if (found)
        log_line_escape(line, value, escape);
    else if (escape == LOG_ESCAPE_DEFAULT)
        log_line_put(line, SV("-"));
}

static void put_parts(struct log_line *line, struct request *r, const struct log_format *f)
{
    for (unsigned i = 0; i < f->nparts; i++) {
        const struct template_part *part = &f->parts[i];

        if (part->var == NULL && part->capture < 0)
            log_line_put(line, part->literal);
        else
            put_value(line, r, part, f->escape);
    }
    log_line_put(line, SV("\n"));
}

// nginx's `if=`: an empty value and "0" mean no.
static bool wanted(struct request *r, const struct template *condition)
{
    struct sv value;

    if (condition == NULL)
        return true;
    if (request_eval(r, condition, &value) != 0)
        return false;
    return value.n != 0 && !sv_eq(value, SV("0"));
}

// A path that a request has made may not reach further than it reads.
static void add_by_path(struct request *r, const struct template *path, const struct log_line *line)
{
    struct sv name;

    if (request_eval(r, path, &name) != 0 || name.n == 0 || memchr(name.p, '\0', name.n) != NULL)
        return;
    const char *terminated = arena_strndup(&r->arena, name.p, name.n);
    if (terminated != NULL)
        log_writer_add_path(r->worker, r->location->log_paths, terminated, line->p, line->n);
}

static void write_use(struct request *r, const struct access_log_use *use)
{
    char room[LOG_LINE_ROOM];
    struct log_line line = {.p = room, .cap = sizeof(room), .arena = &r->arena};

    put_parts(&line, r, use->format);
    if (line.failed)
        return;
    if (use->file != NULL)
        log_writer_add(r->worker, use->file, line.p, line.n, use->buffer, use->flush_ms);
    else
        add_by_path(r, use->path, &line);
}

void access_log_write(struct request *r)
{
    for (const struct access_log_use *use = r->location->access_logs; use != NULL;
         use = use->next) {
        if (wanted(r, use->condition))
            write_use(r, use);
    }
}
