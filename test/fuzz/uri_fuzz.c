// SPDX-License-Identifier: Apache-2.0
//
// Whatever a request-target is, the path that comes out begins with a slash, stays below the
// root, holds no NUL, and names the same file when it is escaped and sent again. The first byte
// chooses merge_slashes.
#include "lib/base/check.h"
#include "lib/http/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(struct sv path, bool merge_slashes)
{
    check(path.n > 0 && path.p[0] == '/');
    check(memchr(path.p, 0, path.n) == NULL);
    struct sv rest = path;
    while (rest.n > 0) {
        rest = sv_skip(rest, 1);
        ptrdiff_t slash = sv_find(rest, '/');
        struct sv segment = slash < 0 ? rest : sv_take(rest, (size_t)slash);
        check(!sv_eq(segment, SV(".")) && !sv_eq(segment, SV("..")));
        check(!merge_slashes || segment.n > 0 || slash < 0);
        rest = slash < 0 ? (struct sv){NULL, 0} : sv_skip(rest, (size_t)slash);
    }
    struct sv extension = uri_extension(path);
    check(extension.n == 0 || (sv_ends(path, extension) && sv_find(extension, '.') < 0 &&
                               sv_find(extension, '/') < 0));
}

static void check_escaped(struct sv path, bool merge_slashes, struct arena *a)
{
    struct uri again;
    struct sv escaped = uri_escape(path, a);
    check(escaped.p != NULL);
    check(uri_parse(escaped, merge_slashes, a, &again) == 0);
    check(sv_eq(again.path, path) && !again.has_query && again.args.n == 0);
}

static void check_inside(struct sv part, struct sv target)
{
    check(part.n == 0 || (part.p >= target.p && part.p + part.n <= target.p + target.n));
}

static void check_host(struct sv authority, struct arena *a)
{
    struct sv host, again;
    uint16_t port;
    if (host_parse(authority, a, &host, &port) != 0)
        return;
    check(host.n > 0 && host.n <= authority.n);
    for (size_t i = 0; i < host.n; i++)
        check(host.p[i] == ascii_lower(host.p[i]) && host.p[i] != '/' && host.p[i] > ' ');
    check(host_parse(host, a, &again, &port) == 0 && sv_eq(host, again) && port == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct uri u;
    struct sv value;
    if (size == 0)
        return 0;
    bool merge_slashes = (data[0] & 1) != 0;
    struct sv target = {(const char *)data + 1, size - 1};
    arena_init(&arena, NULL);
    if (uri_parse(target, merge_slashes, &arena, &u) == 0) {
        check_path(u.path, merge_slashes);
        check_escaped(u.path, merge_slashes, &arena);
        check_inside(u.raw, target);
        check_inside(u.args, target);
        check_inside(u.scheme, target);
        check_inside(u.authority, target);
        check(u.args.n == 0 || u.has_query);
        if (uri_arg(u.args, SV("a"), &value))
            check_inside(value, u.args);
    }
    check_host(target, &arena);
    arena_reset(&arena);
    return 0;
}
