// SPDX-License-Identifier: Apache-2.0
//
// Request-targets: split, decode once, normalise. Decoding comes before the dot segments are
// looked for, so "%2e%2e%2f" climbs exactly as "../" does and cannot be smuggled past the check
// of the root.
#include "lib/http/uri.h"

#include <errno.h>

static bool is_alpha(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    char l = (char)(c | 0x20);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

static bool is_scheme_char(char c)
{
    return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
}

// nginx takes a registered name or an address in brackets, and digits for the port. What is
// inside the brackets is host_parse's to judge.
static size_t authority_len(struct sv s)
{
    size_t i = 0;
    if (s.n > 0 && s.p[0] == '[') {
        ptrdiff_t close = sv_find(s, ']');
        if (close < 0)
            return 0;
        i = (size_t)close + 1;
    } else {
        while (i < s.n && (is_alpha(s.p[i]) || is_digit(s.p[i]) || s.p[i] == '.' || s.p[i] == '-'))
            i++;
    }
    if (i < s.n && s.p[i] == ':') {
        i++;
        while (i < s.n && is_digit(s.p[i]))
            i++;
    }
    return i;
}

// absolute-form. `*rest` is left at the path, or at the '?' or the end where there is none.
static int split_absolute(struct sv target, struct uri *out, struct sv *rest)
{
    size_t i = 0;
    while (i < target.n && is_scheme_char(target.p[i]))
        i++;
    if (i == 0 || !is_alpha(target.p[0]) || !sv_starts(sv_skip(target, i), SV("://")))
        return -EINVAL;
    out->scheme = sv_take(target, i);
    struct sv after = sv_skip(target, i + 3);
    out->authority = sv_take(after, authority_len(after));
    if (out->authority.n == 0)
        return -EINVAL;
    *rest = sv_skip(after, out->authority.n);
    if (rest->n > 0 && rest->p[0] != '/' && rest->p[0] != '?')
        return -EINVAL;
    // The slash behind the scheme stands for an empty path; no copy is needed then.
    out->raw = rest->n > 0 ? *rest : sv_of(target.p + i + 1, 1);
    if (rest->n == 0)
        *rest = out->raw;
    return 0;
}

// What a look over the target found.
struct survey {
    size_t path_len; // up to '?', '#' or the end
    bool rewrite;    // an escape, a dot segment or a double slash: the path must be copied
};

static int survey_path(struct sv s, bool merge_slashes, struct survey *out)
{
    char before = 0;
    size_t i;
    *out = (struct survey){0};
    for (i = 0; i < s.n && s.p[i] != '?' && s.p[i] != '#'; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= 0x20 || c == 0x7f)
            return -EINVAL;
        if (c == '%' || (before == '/' && (c == '.' || (c == '/' && merge_slashes))))
            out->rewrite = true;
        before = (char)c;
    }
    out->path_len = i;
    return 0;
}

// The rest behind the path: query up to the fragment. Control characters are refused in both.
static int split_query(struct sv s, struct uri *out)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= 0x20 || c == 0x7f)
            return -EINVAL;
    }
    if (s.n == 0 || s.p[0] != '?')
        return 0;
    out->has_query = true;
    ptrdiff_t fragment = sv_find(s, '#');
    out->args = sv_of(s.p + 1, (fragment < 0 ? s.n : (size_t)fragment) - 1);
    return 0;
}

struct path_writer {
    char *out;
    size_t n;       // bytes written
    size_t segment; // where the current segment begins, behind its slash
};

// Resolves a dot segment that has just ended; false when it climbs above the root. `*dots` says
// whether it was one.
static bool close_segment(struct path_writer *w, bool *dots)
{
    size_t len = w->n - w->segment;
    const char *s = w->out + w->segment;
    *dots = false;
    if (len == 0 || len > 2 || s[0] != '.' || s[len - 1] != '.')
        return true;
    *dots = true;
    w->n = w->segment;
    if (len == 1)
        return true;
    if (w->n < 2)
        return false;
    w->n--;
    while (w->out[w->n - 1] != '/')
        w->n--;
    w->segment = w->n;
    return true;
}

static bool write_char(struct path_writer *w, char c, bool merge_slashes)
{
    bool dots;
    if (c != '/') {
        w->out[w->n++] = c;
        return true;
    }
    if (!close_segment(w, &dots))
        return false;
    if (!dots && !(merge_slashes && w->n == w->segment))
        w->out[w->n++] = '/';
    w->segment = w->n;
    return true;
}

// The path never grows, so `out` has room for its length. It begins with '/'.
static int rewrite_path(struct sv path, bool merge_slashes, char *out, size_t *n)
{
    struct path_writer w = {.out = out, .n = 1, .segment = 1};
    bool dots;
    out[0] = '/';
    for (size_t i = 1; i < path.n; i++) {
        char c = path.p[i];
        if (c == '%') {
            int high = i + 2 < path.n ? hex_digit(path.p[i + 1]) : -1;
            int low = i + 2 < path.n ? hex_digit(path.p[i + 2]) : -1;
            if (high < 0 || low < 0 || (high | low) == 0)
                return -EINVAL;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (!write_char(&w, c, merge_slashes))
            return -EINVAL;
    }
    if (!close_segment(&w, &dots))
        return -EINVAL;
    *n = w.n;
    return 0;
}

int uri_parse(struct sv target, bool merge_slashes, struct arena *a, struct uri *out)
{
    struct sv rest = target;
    struct survey found;
    *out = (struct uri){.raw = target};
    if (target.n == 0)
        return -EINVAL;
    if (target.p[0] != '/') {
        int err = split_absolute(target, out, &rest);
        if (err != 0)
            return err;
    }
    int err = survey_path(rest, merge_slashes, &found);
    if (err == 0)
        err = split_query(sv_skip(rest, found.path_len), out);
    if (err != 0)
        return err;
    out->path = found.path_len > 0 ? sv_take(rest, found.path_len) : SV("/");
    if (!found.rewrite)
        return 0;
    char *copy = arena_alloc(a, found.path_len);
    if (copy == NULL)
        return -ENOMEM;
    err = rewrite_path(out->path, merge_slashes, copy, &out->path.n);
    out->path.p = copy;
    return err;
}

// A file that is all extension (".profile") has none.
struct sv uri_extension(struct sv path)
{
    for (size_t i = path.n; i > 1; i--) {
        char c = path.p[i - 1];
        if (c == '/')
            break;
        if (c == '.' && path.p[i - 2] != '/')
            return sv_of(path.p + i, path.n - i);
    }
    return (struct sv){NULL, 0};
}

// Control characters, space, 8-bit bytes and those RFC 3986 has in no component, with the
// delimiters that would end a path or begin an escape.
static bool needs_escape(char ch)
{
    unsigned char c = (unsigned char)ch;
    return c <= 0x20 || c >= 0x7f || memchr("\"#%<>?\\^`{|}", c, 12) != NULL;
}

struct sv uri_escape(struct sv path, struct arena *a)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t escapes = 0;
    for (size_t i = 0; i < path.n; i++)
        escapes += needs_escape(path.p[i]);
    if (escapes == 0)
        return path;
    char *out = arena_alloc(a, path.n + 2 * escapes), *o = out;
    if (out == NULL)
        return (struct sv){NULL, 0};
    for (size_t i = 0; i < path.n; i++) {
        unsigned char c = (unsigned char)path.p[i];
        if (!needs_escape(path.p[i])) {
            *o++ = path.p[i];
            continue;
        }
        *o++ = '%';
        *o++ = hex[c >> 4];
        *o++ = hex[c & 15];
    }
    return sv_of(out, (size_t)(o - out));
}

bool uri_arg(struct sv args, struct sv name, struct sv *value)
{
    while (args.n > 0) {
        ptrdiff_t amp = sv_find(args, '&');
        struct sv one = amp < 0 ? args : sv_take(args, (size_t)amp);
        if (one.n > name.n && one.p[name.n] == '=' && sv_starts_nocase(one, name)) {
            *value = sv_of(one.p + name.n + 1, one.n - name.n - 1);
            return true;
        }
        args = amp < 0 ? (struct sv){NULL, 0} : sv_skip(args, (size_t)amp + 1);
    }
    return false;
}
