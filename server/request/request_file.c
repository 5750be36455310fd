// SPDX-License-Identifier: Apache-2.0
//
// From a request's path to a file: root, alias, types and the asynchronous look-up.
#include <errno.h>

#include "lib/base/check.h"
#include "server/conn/conn.h"
#include "server/request/request_file.h"
#include "server/worker.h"

// The part of the path that `from=` trusts ends at a slash; a path that is trusted whole is not
// checked at all (ngx_http_set_disable_symlinks).
int request_lookup_policy(struct request *r, struct sv path)
{
    const struct location_conf *l = r->location;
    struct sv from;

    r->lookup.cache = l->open_file_cache;
    r->lookup.symlinks = (enum symlink_policy)l->symlinks;
    r->lookup.symlinks_from = 0;
    if (l->symlinks == SYMLINKS_ALLOWED || l->symlinks_from == NULL)
        return 0;
    if (request_eval(r, l->symlinks_from, &from) != 0)
        return 500;
    if (from.n == 0 || !sv_starts(path, from))
        return 0;
    if (from.n == path.n)
        r->lookup.symlinks = SYMLINKS_ALLOWED;
    else if (path.p[from.n] == '/')
        r->lookup.symlinks_from = from.n;
    else if (path.p[from.n - 1] == '/')
        r->lookup.symlinks_from = from.n - 1;
    return 0;
}

int request_map_path_under(struct request *r, struct sv root, struct sv name, struct sv *out)
{
    char *p = arena_alloc(&r->arena, root.n + name.n + 2);
    size_t n = root.n;

    if (p == NULL)
        return 500;
    if (root.n != 0)
        memcpy(p, root.p, root.n);
    if (name.n != 0)
        memcpy(p + n, name.p, name.n);
    n += name.n;
    p[n] = '\0';
    *out = sv_of(p, n);
    return request_lookup_policy(r, *out);
}

int request_map_path(struct request *r, struct sv path, struct sv *out)
{
    const struct location_conf *l = r->location;
    struct sv root;

    if (request_eval(r, l->root, &root) != 0)
        return 500;
    if (root.n == 0 || root.p[0] != '/') {
        root = arena_printf(&r->arena, "%s%.*s", r->worker->config->prefix, SV_ARG(root));
        if (root.p == NULL)
            return 500;
    }
    if (l->alias) {
        // A regular expression's alias is the whole path; a prefix location's takes the name's
        // place.
        path = l->root_is_final ? sv_of(NULL, 0) : sv_skip(path, l->alias_len);
    } else {
        while (root.n > 0 && root.p[root.n - 1] == '/')
            root.n--;
    }
    return request_map_path_under(r, root, path, out);
}

static void lookup_done(struct file_lookup *l)
{
    struct request *r = container_of(l, struct request, lookup);
    struct conn *c = r->conn;

    check_magic(r, REQUEST_MAGIC);
    r->lookup_in_flight = false;
    conn_enter(c);
    r->owner->ready(r);
    conn_leave(c);
}

int request_lookup(struct request *r)
{
    request_drop_file(r);
    r->lookup.done = lookup_done;
    r->lookup.err = 0;
    int rc = file_lookup(&r->worker->files, &r->lookup);
    if (rc == -EINPROGRESS) {
        r->lookup_in_flight = true;
        return PHASE_WAIT;
    }
    return 0;
}

void request_drop_file(struct request *r)
{
    if (r->lookup.file == NULL)
        return;
    file_put(&r->worker->files, r->lookup.file);
    r->lookup.file = NULL;
}

struct sv content_type_of(const struct request *r)
{
    const struct location_conf *l = r->location;
    const struct sv *type = NULL;
    struct sv extension = uri_extension(r->path);

    if (l->types != NULL && extension.n != 0)
        type = strmap_get(l->types, extension);
    return type != NULL ? *type : l->default_type;
}
