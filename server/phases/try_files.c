// SPDX-License-Identifier: Apache-2.0
//
// try_files: the first name that exists becomes the path; the last argument is where to go when
// none does.
#include <errno.h>

#include "server/phases/phases.h"
#include "server/request/request_file.h"

static int last_resort(struct request *r, const struct try_file *t)
{
    struct sv text;

    if (t->status != 0)
        return t->status;
    if (request_eval(r, t->name, &text) != 0)
        return 500;
    if (t->named)
        return request_named_location(r, text);
    ptrdiff_t mark = sv_find(text, '?');
    struct sv args = mark >= 0 ? sv_skip(text, (size_t)mark + 1) : r->args;
    return request_internal_redirect(r, mark >= 0 ? sv_take(text, (size_t)mark) : text, args);
}

// Under alias a name is relative to it; one that begins with the location's part of the path loses
// that part first.
static struct sv below_alias(const struct request *r, struct sv name)
{
    struct sv front = sv_take(r->path, r->location->alias_len);

    return sv_starts(name, front) ? sv_skip(name, front.n) : name;
}

// The file of `name`.
static int map_name(struct request *r, struct sv name, struct sv *out)
{
    const struct location_conf *l = r->location;
    struct sv root;

    if (!l->alias)
        return request_map_path(r, name, out);
    if (request_eval(r, l->root, &root) != 0)
        return 500;
    return request_map_path_under(r, root, l->root_is_final ? name : below_alias(r, name), out);
}

static int start(struct request *r, const struct try_file *t, struct sv *name)
{
    struct sv path;

    if (request_eval(r, t->name, name) != 0)
        return 500;
    int rc = map_name(r, *name, &path);
    if (rc != 0)
        return rc;
    r->lookup.path = path.p;
    r->lookup.test_only = true;
    return request_lookup(r);
}

static bool is_wanted(const struct request *r, const struct try_file *t)
{
    const struct open_file *f = r->lookup.file;

    return r->lookup.err == 0 && (t->directory ? f->is_dir : !f->is_dir);
}

static int take(struct request *r, struct sv name)
{
    const struct location_conf *l = r->location;
    struct sv path = name;

    if (l->alias && !l->root_is_final)
        path = arena_printf(&r->arena, "%.*s%.*s", SV_ARG(sv_take(r->path, l->alias_len)),
                            SV_ARG(below_alias(r, name)));
    if (path.p == NULL)
        return 500;
    request_drop_file(r);
    r->path = path;
    return PHASE_NEXT;
}

int phase_try_files(struct request *r)
{
    const struct location_conf *l = r->location;

    if (l->try_files == NULL)
        return PHASE_NEXT;
    for (; r->step / 2 < l->ntry_files - 1; r->step += 2) {
        const struct try_file *t = &l->try_files[r->step / 2];
        struct sv name;
        if (r->step % 2 == 0) {
            int rc = start(r, t, &name);
            if (rc == PHASE_WAIT)
                r->step++;
            if (rc != 0)
                return rc;
        } else {
            r->step--;
            if (request_eval(r, t->name, &name) != 0)
                return 500;
        }
        if (is_wanted(r, t))
            return take(r, name);
        request_drop_file(r);
    }
    return last_resort(r, &l->try_files[l->ntry_files - 1]);
}
