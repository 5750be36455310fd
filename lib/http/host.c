// SPDX-License-Identifier: Apache-2.0
//
// Host header and authority (RFC 3986, 3.2.2 and 3.2.3): which bytes a host may have, and what
// remains of it for choosing a server.
#include <errno.h>

#include "lib/http/uri.h"

// unreserved and sub-delims, without the letters and digits
static bool is_host_mark(char c)
{
    return c != 0 && memchr("-._~!$&'()*+,;=", c, 15) != NULL;
}

static bool is_alnum(char c)
{
    char l = (char)(c | 0x20);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9');
}

// Length of the host at the start of `s`, or -1: it ends at ':' (not within brackets) or with
// `s`. Two dots in a row are no host.
static ptrdiff_t host_len(struct sv s, bool *upper)
{
    bool literal = s.n > 0 && s.p[0] == '[';
    size_t i = literal ? 1 : 0;
    for (; i < s.n; i++) {
        char c = s.p[i];
        if (literal && c == ']')
            return (ptrdiff_t)i + 1;
        if (!literal && c == ':')
            return (ptrdiff_t)i;
        *upper |= c >= 'A' && c <= 'Z';
        if (!is_alnum(c) && !is_host_mark(c) && c != (literal ? ':' : '%'))
            return -1;
        if (c == '.' && i > 0 && s.p[i - 1] == '.')
            return -1;
    }
    return literal ? -1 : (ptrdiff_t)i;
}

// Empty is allowed after the colon (RFC 3986, 3.2.3) and means none.
static int parse_port(struct sv s, uint16_t *port)
{
    uint32_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -EINVAL;
        n = n * 10 + (uint32_t)(s.p[i] - '0');
        if (n > UINT16_MAX)
            return -EINVAL;
    }
    *port = (uint16_t)n;
    return 0;
}

static int lower_copy(struct arena *a, struct sv *s)
{
    char *out = arena_alloc(a, s->n);
    if (out == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < s->n; i++)
        out[i] = ascii_lower(s->p[i]);
    s->p = out;
    return 0;
}

int host_parse(struct sv authority, struct arena *a, struct sv *host, uint16_t *port)
{
    bool upper = false;
    ptrdiff_t n = host_len(authority, &upper);
    *port = 0;
    if (n < 0)
        return -EINVAL;
    struct sv name = sv_take(authority, (size_t)n), rest = sv_skip(authority, (size_t)n);
    if (rest.n > 0 && (rest.p[0] != ':' || parse_port(sv_skip(rest, 1), port) != 0))
        return -EINVAL;
    if (sv_ends(name, SV(".")))
        name.n--;
    if (name.n == 0)
        return -EINVAL;
    *host = name;
    return upper ? lower_copy(a, host) : 0;
}
