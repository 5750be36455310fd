// SPDX-License-Identifier: Apache-2.0
//
// A path that ends with a slash: the first index file that exists is what is meant.
#include <errno.h>

#include "server/handlers/handlers.h"
#include "server/handlers/static_priv.h"
#include "server/request/request.h"
#include "server/request/request_file.h"

static int forbidden(struct request *r)
{
    struct sv path;

    if (request_map_path(r, r->path, &path) == 0)
        request_log(r, LOG_LEVEL_ERROR, 0, "directory index of \"%s\" is forbidden", path.p);
    return 403;
}

static int redirect_to(struct request *r, struct sv name)
{
    request_drop_file(r);
    if (name.n != 0 && name.p[0] == '/')
        return request_internal_redirect(r, name, r->args);
    struct sv path = arena_printf(&r->arena, "%.*s%.*s", SV_ARG(r->path), SV_ARG(name));
    if (path.p == NULL)
        return 500;
    return request_internal_redirect(r, path, r->args);
}

static int look_up(struct request *r, struct sv name)
{
    struct sv directory;
    int rc = request_map_path(r, r->path, &directory);

    if (rc != 0)
        return rc;
    struct sv path = arena_printf(&r->arena, "%.*s%.*s", SV_ARG(directory), SV_ARG(name));
    if (path.p == NULL)
        return 500;
    r->lookup.path = path.p;
    r->lookup.test_only = false;
    return request_lookup(r);
}

// Is the directory there at all? Asked once, after the first index file was not found.
static int look_up_directory(struct request *r)
{
    struct sv directory;
    int rc = request_map_path(r, r->path, &directory);

    if (rc != 0)
        return rc;
    r->lookup.path = directory.p;
    r->lookup.test_only = true;
    return request_lookup(r);
}

enum { STEP_FILE, STEP_FILE_WAITED, STEP_DIR, STEP_DIR_WAITED };

// Steps go four to each name: index = step / 4, progress = step % 4.
static int try_name(struct request *r, struct sv name, bool *next)
{
    unsigned progress = r->step % 4;
    int rc;

    *next = false;
    if (progress == STEP_FILE) {
        rc = look_up(r, name);
        if (rc != 0) {
            r->step += rc == PHASE_WAIT ? STEP_FILE_WAITED : 0;
            return rc;
        }
        progress = STEP_FILE_WAITED;
    }
    if (progress == STEP_FILE_WAITED) {
        if (r->lookup.err == 0)
            return redirect_to(r, name);
        if (r->lookup.err != ENOENT)
            return status_of_open_error(r, r->lookup.err, "open()", r->lookup.path);
        if (r->step / 4 != 0) {
            *next = true;
            return PHASE_NEXT;
        }
        rc = look_up_directory(r);
        if (rc != 0) {
            r->step = rc == PHASE_WAIT ? STEP_DIR_WAITED : r->step;
            return rc;
        }
    }
    if (r->lookup.err != 0)
        return status_of_open_error(r, r->lookup.err, "open()", r->lookup.path);
    request_drop_file(r);
    *next = true;
    return PHASE_NEXT;
}

int handler_index(struct request *r)
{
    struct template *const *names = r->location->index;

    if (r->method != METHOD_GET && r->method != METHOD_HEAD && r->method != METHOD_POST)
        return 405;
    for (; names != NULL && names[r->step / 4] != NULL; r->step = (r->step / 4 + 1) * 4) {
        struct sv name;
        bool next;
        if (request_eval(r, names[r->step / 4], &name) != 0)
            return 500;
        if (name.n != 0 && name.p[0] == '/')
            return redirect_to(r, name);
        int rc = try_name(r, name, &next);
        if (!next)
            return rc;
    }
    return forbidden(r);
}
