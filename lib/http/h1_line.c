// SPDX-License-Identifier: Apache-2.0
//
// The request line (RFC 9112, 3) in nginx's grammar: more than one space between the parts and
// after the version, HTTP/0.9 for GET, methods of A-Z, '_' and '-', 505 for a major version above
// 1, and only origin-form, absolute-form and CONNECT's authority-form ("*" is a bad request for
// nginx). The inside of the target is uri_parse's business.
#include "lib/http/h1_priv.h"

static bool is_method_char(char c)
{
    return (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
}

static bool is_alpha(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_spaces(const char *s, const char *end)
{
    while (s < end && *s == ' ')
        s++;
    return s;
}

static const char *method_end(const char *s, const char *end)
{
    while (s < end && is_method_char(*s))
        s++;
    return s;
}

bool h1_line_plausible(const char *line, size_t len)
{
    const char *e = method_end(line, line + len);
    return e == line + len || (*e == ' ' && e > line);
}

// Only a space ends a target; a control character (a bare CR among them) or DEL may not be in it.
static const char *target_end(const char *s, const char *end)
{
    for (; s < end && *s != ' '; s++) {
        unsigned char c = (unsigned char)*s;
        if (unlikely(c < 0x20 || c == 0x7f))
            return NULL;
    }
    return s;
}

// host ":" port, as CONNECT must have it.
static bool is_authority_form(struct sv t)
{
    size_t colon = t.n;
    while (colon > 0 && is_digit(t.p[colon - 1]))
        colon--;
    return colon > 1 && colon < t.n && t.p[colon - 1] == ':' &&
           memchr(t.p, '/', t.n) == NULL && memchr(t.p, '?', t.n) == NULL;
}

// A major version of more than one digit is above 1 whatever its digits are.
static enum h1_result parse_version(struct h1_parser *p, const char *s, const char *end)
{
    if (end - s < 6 || memcmp(s, "HTTP/", 5) != 0 || s[5] < '1' || s[5] > '9')
        return H1_BAD_REQUEST;
    s += 5;
    if (*s != '1' || (end - s >= 2 && is_digit(s[1])))
        return H1_BAD_VERSION;
    if (end - s < 3 || s[1] != '.' || !is_digit(s[2]))
        return H1_BAD_REQUEST;
    p->head->http_major = 1;
    p->head->http_minor = (uint8_t)(s[2] - '0');
    return skip_spaces(s + 3, end) == end ? H1_DONE : H1_BAD_REQUEST;
}

static enum h1_result parse_0_9(struct h1_parser *p)
{
    p->head->http_0_9 = true;
    p->head->http_major = 0;
    p->head->http_minor = 9;
    return p->head->llhttp_method == HTTP_GET ? H1_DONE : H1_BAD_REQUEST;
}

static bool parse_target(struct h1_parser *p, const char *buf, const char *s, const char *end)
{
    struct sv t = {s, (size_t)(end - s)};
    if (p->head->llhttp_method == HTTP_CONNECT ? !is_authority_form(t) : *s != '/' && !is_alpha(*s))
        return false;
    p->head->target = (uint32_t)(s - buf);
    p->head->target_len = (uint32_t)t.n;
    return true;
}

enum h1_result h1_parse_line(struct h1_parser *p, const char *buf, uint32_t len)
{
    const char *line = buf + p->head->method, *end = line + len;
    const char *s = method_end(line, end);
    if (s == line || s == end || *s != ' ')
        return H1_BAD_REQUEST;
    p->head->method_len = (uint32_t)(s - line);
    p->head->llhttp_method = http_method_number(sv_of(line, p->head->method_len));

    const char *target = skip_spaces(s, end);
    if (target == end || (s = target_end(target, end)) == NULL ||
        !parse_target(p, buf, target, s))
        return H1_BAD_REQUEST;

    s = skip_spaces(s, end);
    enum h1_result r = s == end ? parse_0_9(p) : parse_version(p, s, end);
    bool known = p->head->llhttp_method != HTTP_METHOD_UNKNOWN;
    return r == H1_DONE && !known ? H1_METHOD_UNKNOWN : r;
}
