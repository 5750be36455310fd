// SPDX-License-Identifier: Apache-2.0
//
// A file of the disk, or the redirect that a directory asks for.
#include <errno.h>

#include "lib/http/cond.h"
#include "server/handlers/handlers.h"
#include "server/handlers/static_priv.h"
#include "server/request/request.h"
#include "server/request/request_file.h"

int status_of_open_error(struct request *r, int err, const char *call, const char *path)
{
    int status = 500;
    enum log_level level = LOG_LEVEL_CRIT;

    switch (err) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ENXIO: // a socket
        status = 404;
        level = LOG_LEVEL_ERROR;
        break;
    case EACCES:
    case EPERM:
    case ELOOP:
    case EXDEV:
        status = 403;
        level = LOG_LEVEL_ERROR;
        break;
    default:
        break;
    }
    if (status != 404 || r->location->log_not_found)
        request_log(r, level, err, "%s \"%s\" failed", call, path);
    return status;
}

static int redirect_to_directory(struct request *r)
{
    struct sv path = uri_escape(r->path, &r->arena);
    struct sv to = arena_printf(&r->arena, "%.*s/%s%.*s", SV_ARG(path), r->args.n != 0 ? "?" : "",
                                SV_ARG(r->args));

    if (to.p == NULL)
        return 500;
    r->response.location = to;
    return 301;
}

static int describe(struct request *r, struct open_file *f)
{
    struct response *s = &r->response;

    s->status = 200;
    s->content_length = (int64_t)f->size;
    s->last_modified = f->mtime_s;
    if (r->location->etag)
        s->etag = sv_of(s->etag_text, etag_format(f->mtime_s, f->size, s->etag_text));
    s->content_type = content_type_of(r);
    r->allow_ranges = true;
    // The reference moves from the look-up to the response.
    s->file = f;
    r->lookup.file = NULL;
    if (r->header_only || f->size == 0)
        return PHASE_DONE;
    return response_add_extent(r, 0, f->size) == 0 ? PHASE_DONE : 500;
}

static int serve(struct request *r)
{
    struct open_file *f = r->lookup.file;

    if (r->lookup.err != 0)
        return status_of_open_error(r, r->lookup.err, "open()", r->lookup.path);
    if (f->is_dir)
        return redirect_to_directory(r);
    if (!f->is_file) {
        request_log(r, LOG_LEVEL_CRIT, 0, "\"%s\" is not a regular file", r->lookup.path);
        return 404;
    }
    if (r->method == METHOD_POST)
        return 405;
    return describe(r, f);
}

int handler_static(struct request *r)
{
    struct sv path;

    if (r->method != METHOD_GET && r->method != METHOD_HEAD && r->method != METHOD_POST)
        return 405;
    if (r->step == 0) {
        int rc = request_map_path(r, r->path, &path);
        if (rc != 0)
            return rc;
        r->lookup.path = path.p;
        r->lookup.test_only = false;
        r->step = 1;
        rc = request_lookup(r);
        if (rc != 0)
            return rc;
    }
    return serve(r);
}
