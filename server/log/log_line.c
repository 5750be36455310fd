// SPDX-License-Identifier: Apache-2.0
#include "server/log/log_line.h"

#define ONES 0x0101010101010101u
#define HIGHS 0x8080808080808080u
#define EACH(byte) (ONES * (uint64_t)(byte))

bool log_line_grow(struct log_line *line, size_t more)
{
    size_t cap = line->cap * 2;

    while (cap - line->n < more)
        cap *= 2;
    char *p = arena_alloc(line->arena, cap);
    if (p == NULL) {
        line->failed = true;
        return false;
    }
    memcpy(p, line->p, line->n);
    line->p = p;
    line->cap = cap;
    return true;
}

// A bit in each byte that is zero (and perhaps in bytes above such a one).
static inline uint64_t zeros(uint64_t x)
{
    return (x - ONES) & ~x & HIGHS;
}

// Not 0 when one of eight bytes is below 32, '"' or '\\'; the test is exact for the word as a
// whole.
static inline uint64_t special_json(uint64_t x)
{
    return ((x - EACH(32)) & ~x & HIGHS) | zeros(x ^ EACH('"')) | zeros(x ^ EACH('\\'));
}

static inline uint64_t special_default(uint64_t x)
{
    return special_json(x) | (x & HIGHS) | zeros(x ^ EACH(127));
}

// Most values have nothing to escape, and are copied eight bytes at a time. Gives how many bytes
// were; the first one to be escaped is within the eight that follow.
static inline size_t copy_plain(char *to, struct sv s, enum log_escape escape)
{
    size_t i = 0;
    uint64_t word;

    for (; i + sizeof(word) <= s.n; i += sizeof(word)) {
        memcpy(&word, s.p + i, sizeof(word));
        if (escape == LOG_ESCAPE_JSON ? special_json(word) : special_default(word))
            break;
        memcpy(to + i, &word, sizeof(word));
    }
    return i;
}

static const char hex[] = "0123456789ABCDEF";

static char *escape_default(char *to, unsigned char c)
{
    if (c >= 32 && c < 127 && c != '"' && c != '\\') {
        *to = (char)c;
        return to + 1;
    }
    to[0] = '\\';
    to[1] = 'x';
    to[2] = hex[c >> 4];
    to[3] = hex[c & 15];
    return to + 4;
}

static char short_form(unsigned char c)
{
    switch (c) {
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '"':
    case '\\':
        return (char)c;
    default:
        return 0;
    }
}

static char *escape_json(char *to, unsigned char c)
{
    char letter = short_form(c);

    if (letter == 0 && c >= 32) {
        *to = (char)c;
        return to + 1;
    }
    *to++ = '\\';
    if (letter != 0) {
        *to = letter;
        return to + 1;
    }
    memcpy(to, "u00", 3);
    to[3] = hex[c >> 4];
    to[4] = hex[c & 15];
    return to + 5;
}

#define ESCAPED_MAX 6 // "\u001F"

void log_line_escape(struct log_line *line, struct sv value, enum log_escape escape)
{
    if (escape == LOG_ESCAPE_NONE) {
        log_line_put(line, value);
        return;
    }
    if (!log_line_reserve(line, value.n))
        return;
    size_t i = value.n != 0 ? copy_plain(line->p + line->n, value, escape) : 0;
    line->n += i;
    if (i == value.n || !log_line_reserve(line, (value.n - i) * ESCAPED_MAX))
        return;
    char *to = line->p + line->n;
    for (; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        to = escape == LOG_ESCAPE_JSON ? escape_json(to, c) : escape_default(to, c);
    }
    line->n = (size_t)(to - line->p);
}
