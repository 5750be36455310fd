// SPDX-License-Identifier: Apache-2.0
//
// Variables of the request's headers and what is encoded in them: cookies, arguments,
// credentials, the browser.
#include "server/vars/vars_priv.h"

bool vars_name_matches(struct sv header, struct sv suffix)
{
    if (header.n != suffix.n)
        return false;
    for (size_t i = 0; i < header.n; i++) {
        char c = header.p[i] == '-' ? '_' : ascii_lower(header.p[i]);
        if (c != suffix.p[i])
            return false;
    }
    return true;
}

static struct sv field_name(const struct request *r, const struct http_field *f)
{
    return sv_of(r->head + f->name, f->name_len);
}

static struct sv field_value(const struct request *r, const struct http_field *f)
{
    return sv_of(r->head + f->value, f->value_len);
}

static const struct http_field *next_field(const struct request *r, struct sv suffix, uint32_t *at)
{
    while (*at < r->parsed.nfields) {
        const struct http_field *f = &r->parsed.fields[(*at)++];
        if (!f->ignored && vars_name_matches(field_name(r, f), suffix))
            return f;
    }
    return NULL;
}

// One header with several values (RFC 9110, 5.3), the first of which is `first`; `at` is behind it.
static bool join_fields(struct request *r, struct sv suffix, char separator,
                        const struct http_field *first, uint32_t at, struct sv *out)
{
    const struct http_field *f;
    size_t n = first->value_len;

    for (uint32_t i = at; (f = next_field(r, suffix, &i)) != NULL;)
        n += f->value_len + 2;
    char *p = arena_alloc(&r->arena, n + 1);
    if (p == NULL)
        return false;
    *out = sv_of(p, n);
    for (f = first; f != NULL; f = next_field(r, suffix, &at)) {
        if (f != first) {
            *p++ = separator;
            *p++ = ' ';
        }
        memcpy(p, field_value(r, f).p, f->value_len);
        p += f->value_len;
    }
    return true;
}

static bool read_header(struct request *r, struct sv suffix, char separator, struct sv *out)
{
    uint32_t at = 0;
    const struct http_field *first = next_field(r, suffix, &at);

    if (first == NULL)
        return false;
    uint32_t behind = at;
    if (next_field(r, suffix, &at) != NULL)
        return join_fields(r, suffix, separator, first, behind, out);
    *out = field_value(r, first);
    return true;
}

static bool get_http(void *ctx, const struct var *v, struct sv *out)
{
    char separator = sv_eq(v->suffix, SV("cookie")) ? ';' : ',';

    return read_header(ctx, v->suffix, separator, out);
}

static bool get_content_type(void *ctx, const struct var *v, struct sv *out)
{
    (void)v;
    return read_header(ctx, SV("content_type"), ',', out);
}

static bool get_content_length(void *ctx, const struct var *v, struct sv *out)
{
    (void)v;
    return read_header(ctx, SV("content_length"), ',', out);
}

static struct sv skip_spaces(struct sv s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] == ' ')
        n++;
    return sv_skip(s, n);
}

// `name = value` up to the next ';' (RFC 6265, 4.2.1, with the spaces that nginx allows).
static bool take_cookie(struct sv pair, struct sv name, struct sv *out)
{
    pair = skip_spaces(pair);
    if (!sv_starts_nocase(pair, name))
        return false;
    pair = skip_spaces(sv_skip(pair, name.n));
    if (pair.n == 0 || pair.p[0] != '=')
        return false;
    *out = skip_spaces(sv_skip(pair, 1));
    if (out->p == NULL)
        *out = sv_of("", 0);
    return true;
}

static bool find_cookie(struct sv header, struct sv name, struct sv *out)
{
    while (header.n != 0) {
        ptrdiff_t end = sv_find(header, ';');
        struct sv pair = end >= 0 ? sv_take(header, (size_t)end) : header;
        if (take_cookie(pair, name, out))
            return true;
        header = sv_skip(header, pair.n + 1);
    }
    return false;
}

static bool get_cookie(void *ctx, const struct var *v, struct sv *out)
{
    const struct request *r = ctx;
    const struct http_field *f;

    for (uint32_t at = 0; (f = next_field(r, SV("cookie"), &at)) != NULL;) {
        if (find_cookie(field_value(r, f), v->suffix, out))
            return true;
    }
    return false;
}

static bool get_arg(void *ctx, const struct var *v, struct sv *out)
{
    const struct request *r = ctx;

    return v->suffix.n != 0 && uri_arg(r->args, v->suffix, out);
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// RFC 4648, 4. False for anything but digits and padding at the end, or one digit too many.
static bool base64_decode(struct request *r, struct sv text, struct sv *out)
{
    unsigned char *p = arena_alloc(&r->arena, text.n / 4 * 3 + 4);
    uint32_t bits = 0, digits = 0;
    size_t n = 0;

    while (text.n != 0 && text.p[text.n - 1] == '=')
        text.n--;
    if (p == NULL || text.n % 4 == 1)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        int d = base64_digit(text.p[i]);
        if (d < 0)
            return false;
        bits = bits << 6 | (uint32_t)d;
        digits++;
        if (digits % 4 != 1)
            p[n++] = (unsigned char)(bits >> (8 - digits % 4 * 2) % 8);
    }
    *out = sv_of((const char *)p, n);
    return true;
}

// The user of HTTP Basic (RFC 7617), whether or not anybody has asked for the password.
static bool get_remote_user(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;
    struct sv header = request_header(r, SV("authorization")), text;

    (void)v;
    if (!sv_starts_nocase(header, SV("Basic ")))
        return false;
    if (!base64_decode(r, skip_spaces(sv_skip(header, 6)), &text))
        return false;
    ptrdiff_t colon = sv_find(text, ':');
    if (colon < 0)
        return false;
    *out = sv_take(text, (size_t)colon);
    return true;
}

static bool contains(struct sv s, struct sv what)
{
    return s.n != 0 && memmem(s.p, s.n, what.p, what.n) != NULL;
}

// Internet Explorer 6 before its second service pack, and older ones, by the words nginx goes by.
static bool is_msie6(struct sv agent)
{
    const char *at = agent.n != 0 ? memmem(agent.p, agent.n, "MSIE ", 5) : NULL;

    if (at == NULL || agent.p + agent.n - at < 8 || at[6] != '.' || contains(agent, SV("Opera")))
        return false;
    return at[5] == '4' || at[5] == '5' || (at[5] == '6' && !contains(agent, SV("SV1")));
}

static bool is_safari(struct sv agent)
{
    return contains(agent, SV("Safari/")) && contains(agent, SV("Mac OS X")) &&
           !contains(agent, SV("Chrome/")) && !contains(agent, SV("Gecko/")) &&
           !contains(agent, SV("MSIE ")) && !contains(agent, SV("Opera"));
}

bool keepalive_disabled_for(const struct request *r, int64_t browsers)
{
    if ((browsers & (KEEPALIVE_NO_MSIE6 | KEEPALIVE_NO_SAFARI)) == 0)
        return false;
    // The default names msie6 alone, and that only matters for POST: the header need not be
    // searched then.
    bool msie6 = (browsers & KEEPALIVE_NO_MSIE6) != 0 && r->method == METHOD_POST;
    bool safari = (browsers & KEEPALIVE_NO_SAFARI) != 0;
    if (!msie6 && !safari)
        return false;
    struct sv agent = request_header(r, SV("user-agent"));
    return (msie6 && is_msie6(agent)) || (safari && is_safari(agent));
}

static const struct var_row rows[] = {
    {"content_type", get_content_type, 0, 0, NULL},
    {"content_length", get_content_length, 0, 0, NULL},
    {"remote_user", get_remote_user, 0, 0, NULL},
    {"http_", get_http, 0, VAR_PREFIX, NULL},
    {"cookie_", get_cookie, 0, VAR_PREFIX, NULL},
    {"arg_", get_arg, 0, VAR_PREFIX, NULL},
};

const struct var_table vars_headers_table = {rows, array_len(rows)};
