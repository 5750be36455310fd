// SPDX-License-Identifier: Apache-2.0
//
// A parser for dictionaries of structured fields (RFC 9651, 4.2.2), strict about all of the value,
// because a value with an error anywhere says nothing. Only integers and booleans are kept.
#include "lib/http/priority.h"

#define INTEGER_DIGITS 15    // at most, in an integer (RFC 9651, 3.3.1)
#define DECIMAL_DIGITS 12    // at most, before the point of a decimal (3.3.2)
#define FRACTION_DIGITS 3    // at most, behind it

enum kind {
    KIND_OTHER,
    KIND_INTEGER,
    KIND_BOOLEAN,
};

struct item {
    enum kind kind;
    int64_t number; // of an integer; 0 or 1 of a boolean
};

// What is left to be read; every function below takes its part off the front.
struct cursor {
    const char *at, *end;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_alpha(char c)
{
    return is_lower(ascii_lower(c));
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool is_printable(char c)
{
    return c >= 0x20 && c <= 0x7e;
}

// The next character, or NUL at the end; a NUL in the value is nowhere allowed either.
static char peek(const struct cursor *c)
{
    return c->at < c->end ? *c->at : '\0';
}

static bool take(struct cursor *c, char expected)
{
    if (c->at == c->end || *c->at != expected)
        return false;
    c->at++;
    return true;
}

static void skip_spaces(struct cursor *c)
{
    while (peek(c) == ' ')
        c->at++;
}

static void skip_ows(struct cursor *c)
{
    while (peek(c) == ' ' || peek(c) == '\t')
        c->at++;
}

// One digit too many is left standing, where nothing that may follow a number begins with one.
static size_t digits(struct cursor *c, size_t most, int64_t *number)
{
    size_t n = 0;
    for (; n < most && is_digit(peek(c)); n++)
        *number = *number * 10 + (*c->at++ - '0');
    return n;
}

static bool parse_number(struct cursor *c, struct item *item)
{
    bool negative = take(c, '-');
    int64_t number = 0, fraction = 0;
    size_t n = digits(c, INTEGER_DIGITS, &number);
    if (n == 0)
        return false;
    if (take(c, '.')) {
        size_t behind = digits(c, FRACTION_DIGITS, &fraction);
        return n <= DECIMAL_DIGITS && behind > 0;
    }
    *item = (struct item){KIND_INTEGER, negative ? -number : number};
    return true;
}

// Seconds, as an integer behind an at sign (RFC 9651, 3.3.7).
static bool parse_date(struct cursor *c)
{
    struct item seconds = {0};
    return take(c, '@') && parse_number(c, &seconds) && seconds.kind == KIND_INTEGER;
}

static bool parse_boolean(struct cursor *c, struct item *item)
{
    if (!take(c, '?') || (peek(c) != '0' && peek(c) != '1'))
        return false;
    *item = (struct item){KIND_BOOLEAN, *c->at++ - '0'};
    return true;
}

static bool parse_string(struct cursor *c)
{
    if (!take(c, '"'))
        return false;
    while (is_printable(peek(c))) {
        char one = *c->at++;
        if (one == '"')
            return true;
        if (one == '\\' && !take(c, '"') && !take(c, '\\'))
            return false;
    }
    return false;
}

static bool take_hex(struct cursor *c)
{
    if (!is_digit(peek(c)) && !(peek(c) >= 'a' && peek(c) <= 'f'))
        return false;
    c->at++;
    return true;
}

// RFC 9651, 3.3.8: a percent sign, then a string in which it begins two digits.
static bool parse_display_string(struct cursor *c)
{
    if (!take(c, '%') || !take(c, '"'))
        return false;
    while (is_printable(peek(c))) {
        char one = *c->at++;
        if (one == '"')
            return true;
        if (one == '%' && !(take_hex(c) && take_hex(c)))
            return false;
    }
    return false;
}

static bool parse_token(struct cursor *c)
{
    if (!is_alpha(peek(c)) && peek(c) != '*')
        return false;
    while (is_alpha(peek(c)) || is_digit(peek(c)) || is_one_of(peek(c), "!#$%&'*+-.^_`|~:/"))
        c->at++;
    return true;
}

// Base 64 between colons (RFC 9651, 3.3.5); padding may be left out.
static bool parse_bytes(struct cursor *c)
{
    size_t n = 0, padding = 0;
    if (!take(c, ':'))
        return false;
    for (; is_alpha(peek(c)) || is_digit(peek(c)) || is_one_of(peek(c), "+/"); n++)
        c->at++;
    while (take(c, '='))
        padding++;
    bool whole = padding == 0 ? n % 4 != 1 : padding <= 2 && (n + padding) % 4 == 0;
    return whole && take(c, ':');
}

static bool parse_bare_item(struct cursor *c, struct item *item)
{
    *item = (struct item){.kind = KIND_OTHER};
    switch (peek(c)) {
    case '"':
        return parse_string(c);
    case ':':
        return parse_bytes(c);
    case '?':
        return parse_boolean(c, item);
    case '@':
        return parse_date(c);
    case '%':
        return parse_display_string(c);
    case '-': case '0': case '1': case '2': case '3': case '4': case '5':
    case '6': case '7': case '8': case '9':
        return parse_number(c, item);
    default:
        return parse_token(c);
    }
}

static bool parse_key(struct cursor *c, struct sv *key)
{
    const char *start = c->at;
    if (!is_lower(peek(c)) && peek(c) != '*')
        return false;
    while (is_lower(peek(c)) || is_digit(peek(c)) || is_one_of(peek(c), "_-.*"))
        c->at++;
    *key = sv_of(start, (size_t)(c->at - start));
    return true;
}

// No parameter of a priority means anything, but a broken one breaks the value.
static bool parse_parameters(struct cursor *c)
{
    while (take(c, ';')) {
        struct sv key;
        struct item value;
        skip_spaces(c);
        if (!parse_key(c, &key) || (take(c, '=') && !parse_bare_item(c, &value)))
            return false;
    }
    return true;
}

static bool parse_inner_list(struct cursor *c)
{
    if (!take(c, '('))
        return false;
    for (;;) {
        struct item item;
        skip_spaces(c);
        if (take(c, ')'))
            return true;
        if (!parse_bare_item(c, &item) || !parse_parameters(c))
            return false;
        if (peek(c) != ' ' && peek(c) != ')')
            return false;
    }
}

static bool parse_member(struct cursor *c, struct sv *key, struct item *value)
{
    *value = (struct item){KIND_BOOLEAN, 1};
    if (!parse_key(c, key))
        return false;
    if (!take(c, '='))
        return parse_parameters(c);
    if (peek(c) == '(') {
        *value = (struct item){.kind = KIND_OTHER};
        return parse_inner_list(c) && parse_parameters(c);
    }
    return parse_bare_item(c, value) && parse_parameters(c);
}

static bool parse_dictionary(struct cursor *c, struct item *urgency, struct item *incremental)
{
    while (c->at < c->end) {
        struct sv key;
        struct item value;
        if (!parse_member(c, &key, &value))
            return false;
        if (sv_eq(key, SV("u")))
            *urgency = value;
        else if (sv_eq(key, SV("i")))
            *incremental = value;
        skip_ows(c);
        if (c->at == c->end)
            return true;
        if (!take(c, ','))
            return false;
        skip_ows(c);
        if (c->at == c->end) // a comma ends nothing (RFC 9651, 4.2.2)
            return false;
    }
    return true;
}

bool http_priority_parse(struct sv value, struct http_priority *p)
{
    struct sv trimmed = sv_trim(value);
    struct item urgency = {0}, incremental = {0};
    if (trimmed.n == 0)
        return true;
    struct cursor c = {trimmed.p, trimmed.p + trimmed.n};
    if (!parse_dictionary(&c, &urgency, &incremental))
        return false;
    if (urgency.kind == KIND_INTEGER && urgency.number >= 0 && urgency.number <= HTTP_URGENCY_MAX)
        p->urgency = (uint8_t)urgency.number;
    if (incremental.kind == KIND_BOOLEAN)
        p->incremental = incremental.number == 1;
    return true;
}
