// SPDX-License-Identifier: Apache-2.0
#include "lib/http/charset.h"

#include <errno.h>
#include <string.h>

#define ASCII_END 0x80
#define REFERENCE_MAX 10 // "&#1114111;"

int charset_map_init(struct charset_map *m, struct arena *a, bool utf8)
{
    m->utf8 = utf8;
    for (unsigned c = 0; c < 256; c++) {
        m->forward[c][0] = 1;
        m->forward[c][1] = m->backward[c] = c < ASCII_END ? (uint8_t)c : '?';
    }
    if (!utf8)
        return 0;
    m->pages[0] = arena_zalloc(a, 256);
    if (m->pages[0] == NULL)
        return -ENOMEM;
    for (unsigned c = 0; c < ASCII_END; c++)
        m->pages[0][c] = (uint8_t)c;
    return 0;
}

// How many bytes a character beginning with `lead` has; 0 when none does.
static size_t length_of(uint8_t lead)
{
    if (lead < ASCII_END)
        return 1;
    if (lead < 0xc2)
        return 0;
    if (lead < 0xe0)
        return 2;
    if (lead < 0xf0)
        return 3;
    return lead < 0xf5 ? 4 : 0;
}

// Overlong forms, surrogates and what is above U+10FFFF are no characters.
static bool is_character(uint32_t c, size_t n)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

    return c >= least[n] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
}

// The character at the front of `s`, which is not empty; *n are its bytes. False when it is none:
// *n bytes are to be skipped then, never one that could begin the next character.
static bool decode(struct sv s, uint32_t *c, size_t *n)
{
    const uint8_t *p = (const uint8_t *)s.p;
    size_t wanted = length_of(p[0]);

    *c = wanted > 1 ? p[0] & (0x7fu >> wanted) : p[0];
    for (*n = 1; *n < wanted; ++*n) {
        if (*n == s.n || (p[*n] & 0xc0) != 0x80)
            return false;
        *c = *c << 6 | (p[*n] & 0x3f);
    }
    return wanted != 0 && is_character(*c, wanted);
}

int charset_map_add(struct charset_map *m, struct arena *a, uint8_t byte, struct sv to)
{
    uint32_t c;
    size_t n;

    if (to.n == 0 || to.n >= sizeof(m->forward[0]) || (!m->utf8 && to.n != 1))
        return -EINVAL;
    if (m->utf8) {
        if (!decode(to, &c, &n) || n != to.n)
            return -EINVAL;
        uint8_t **page = &m->pages[c >> 8];
        if (*page == NULL)
            *page = arena_zalloc(a, 256);
        if (*page == NULL)
            return -ENOMEM;
        (*page)[c & 0xff] = byte;
    } else {
        m->backward[(uint8_t)to.p[0]] = byte;
    }
    m->forward[byte][0] = (uint8_t)to.n;
    memcpy(m->forward[byte] + 1, to.p, to.n);
    return 0;
}

static size_t put_reference(uint32_t c, char *out)
{
    char digits[REFERENCE_MAX];
    size_t n = 0, at = 0;

    do
        digits[n++] = (char)('0' + c % 10);
    while ((c /= 10) != 0);
    out[at++] = '&';
    out[at++] = '#';
    while (n > 0)
        out[at++] = digits[--n];
    out[at++] = ';';
    return at;
}

// One character off the front of `s`, which is not empty, to at most REFERENCE_MAX bytes in `out`.
static size_t from_utf8(const struct charset_map *m, struct sv *s, char *out)
{
    uint32_t c;
    size_t n;
    bool good = decode(*s, &c, &n);

    *s = sv_skip(*s, n);
    out[0] = '?';
    if (!good)
        return 1;
    if (c <= 0xffff && m->pages[c >> 8] != NULL && m->pages[c >> 8][c & 0xff] != 0) {
        out[0] = (char)m->pages[c >> 8][c & 0xff];
        return 1;
    }
    if (c == 0) {
        out[0] = '\0';
        return 1;
    }
    return put_reference(c, out);
}

static void recode_from_utf8(const struct charset_map *m, struct sv in, char *out)
{
    char one[REFERENCE_MAX];

    while (in.n != 0) {
        size_t n = from_utf8(m, &in, one);
        memcpy(out, one, n);
        out += n;
    }
}

void charset_recode(const struct charset_map *m, bool backward, struct sv in, char *out)
{
    if (backward && m->utf8) {
        recode_from_utf8(m, in, out);
        return;
    }
    for (size_t i = 0; i < in.n; i++) {
        uint8_t byte = (uint8_t)in.p[i];
        if (backward) {
            *out++ = (char)m->backward[byte];
        } else {
            memcpy(out, m->forward[byte] + 1, m->forward[byte][0]);
            out += m->forward[byte][0];
        }
    }
}

size_t charset_recode_length(const struct charset_map *m, bool backward, struct sv in)
{
    char one[REFERENCE_MAX];
    size_t n = 0;

    if (!m->utf8)
        return in.n;
    if (!backward) {
        for (size_t i = 0; i < in.n; i++)
            n += m->forward[(uint8_t)in.p[i]][0];
        return n;
    }
    while (in.n != 0)
        n += from_utf8(m, &in, one);
    return n;
}
