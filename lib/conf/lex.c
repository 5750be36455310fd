// SPDX-License-Identifier: Apache-2.0
//
// nginx's lexical rules: bytes to the words of one directive. It knows no directive and opens no
// file.
//
// What surprises in these rules is kept, because configurations rely on it: a quote or a # inside a
// word is an ordinary character, a backslash protects any character but is removed only before
// quotes, backslashes and t, r, n, and "${" does not open a block.
#include <stdlib.h>

#include "lib/conf/parse_priv.h"

struct word_scan {
    size_t start;
    char quote;  // '"', '\'' or 0 for a bare word
    bool escape; // the character before was a backslash
    bool dollar; // "$", or "${", came before: a "{" belongs to the word
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool at_end(const struct conf_source *s)
{
    return s->pos >= s->text.n;
}

static char peek(const struct conf_source *s)
{
    return s->text.p[s->pos];
}

static void advance(struct conf_source *s)
{
    if (peek(s) == '\n')
        s->line++;
    s->pos++;
}

static void skip_blanks_and_comments(struct conf_source *s)
{
    bool comment = false;

    for (; !at_end(s); advance(s)) {
        char c = peek(s);
        if (c == '#')
            comment = true;
        else if (c == '\n')
            comment = false;
        else if (!comment && !is_blank(c))
            return;
    }
}

static int fail_unexpected(const struct conf_source *s, char c, struct conf_error *error)
{
    struct conf_node here = conf_here(s);

    if (c == '\0')
        return conf_fail(error, &here, 0, "unexpected NUL character");
    return conf_fail(error, &here, 0, "unexpected \"%c\"", c);
}

static int fail_end(const struct conf_source *s, struct conf_error *error)
{
    struct conf_node here = conf_here(s);

    if (s->command_line)
        return conf_fail(error, &here, 0, "unexpected end of parameter, expecting \";\"");
    return conf_fail(error, &here, 0, "unexpected end of file, expecting \";\" or \"}\"");
}

// The fault is reported where the word began: that is where a quote was forgotten.
static int fail_long(const struct conf_source *s, const struct word_scan *w, unsigned line,
                     struct conf_error *error)
{
    struct conf_node here = {.file = s->file, .line = line};

    if (w->quote == 0)
        return conf_fail(error, &here, 0, "too long parameter \"%.10s...\" started",
                         s->text.p + w->start);
    return conf_fail(error, &here, 0,
                     "too long parameter, probably missing terminating \"%c\" character", w->quote);
}

static bool ends_word(const struct word_scan *w, char c)
{
    if (w->quote != 0)
        return c == w->quote;
    return is_blank(c) || c == ';' || c == '{';
}

// True when `c` is the first character behind the word.
static bool scan_char(struct word_scan *w, char c)
{
    if (w->escape) {
        w->escape = false;
        return false;
    }
    if (c == '{' && w->dollar)
        return false;
    w->dollar = c == '$';
    w->escape = c == '\\';
    return !w->dollar && !w->escape && ends_word(w, c);
}

// Leaves `pos` at the end of the word: its closing quote, or what follows a bare one.
static int scan_word(struct conf_source *s, struct word_scan *w, struct conf_error *error)
{
    unsigned line = s->line;

    for (; !at_end(s); advance(s)) {
        char c = peek(s);
        if (s->pos - w->start >= CONF_TOKEN_MAX)
            return fail_long(s, w, line, error);
        if (c == '\0')
            return fail_unexpected(s, c, error);
        if (scan_char(w, c))
            return 0;
    }
    return fail_end(s, error);
}

// What a backslash and `c` stand for; 0 when the backslash is to be kept.
static char escaped(char c)
{
    switch (c) {
    case '"':
    case '\'':
    case '\\':
        return c;
    case 't':
        return '\t';
    case 'r':
        return '\r';
    case 'n':
        return '\n';
    default:
        return 0;
    }
}

// Without its escapes a word never gets longer.
static struct sv copy_word(struct arena *a, struct sv raw)
{
    char *p = arena_alloc(a, raw.n + 1);
    size_t n = 0;

    if (p == NULL)
        return sv_of(NULL, 0);
    for (size_t i = 0; i < raw.n; i++) {
        char e = raw.p[i] == '\\' && i + 1 < raw.n ? escaped(raw.p[i + 1]) : 0;
        if (e != 0)
            i++;
        p[n++] = e != 0 ? e : raw.p[i];
    }
    p[n] = '\0';
    return sv_of(p, n);
}

static int push_word(struct conf_words *words, struct sv word)
{
    if (words->n == words->capacity) {
        unsigned capacity = words->capacity != 0 ? words->capacity * 2 : 16;
        struct sv *v = realloc(words->v, capacity * sizeof(*v));
        if (v == NULL)
            return -ENOMEM;
        words->v = v;
        words->capacity = capacity;
    }
    words->v[words->n++] = word;
    return 0;
}

// A quoted word must be followed by something that cannot be part of a word. ")" is let through for
// `if ($a = "b")`.
static int close_quote(struct conf_source *s, struct conf_error *error)
{
    advance(s);
    if (at_end(s))
        return fail_end(s, error);
    char c = peek(s);
    if (is_blank(c) || c == ';' || c == '{' || c == ')')
        return 0;
    return fail_unexpected(s, c, error);
}

static int read_word(struct conf_source *s, struct arena *a, struct conf_words *words,
                     struct conf_error *error)
{
    struct word_scan w = {0};

    if (peek(s) == '"' || peek(s) == '\'') {
        w.quote = peek(s);
        advance(s);
    }
    w.start = s->pos;
    int rc = scan_word(s, &w, error);
    if (rc != 0)
        return rc;

    struct sv word = copy_word(a, sv_of(s->text.p + w.start, s->pos - w.start));
    if (word.p == NULL || push_word(words, word) != 0)
        return -ENOMEM;
    return w.quote != 0 ? close_quote(s, error) : 0;
}

// ";", "{" or "}": does it fit what was read before it?
static int punctuation(struct conf_source *s, const struct conf_words *words,
                       enum conf_event *event, struct conf_error *error)
{
    char c = peek(s);

    if ((words->n == 0) != (c == '}'))
        return fail_unexpected(s, c, error);
    advance(s);
    *event = c == ';'   ? CONF_EVENT_DIRECTIVE
             : c == '{' ? CONF_EVENT_BLOCK
                        : CONF_EVENT_BLOCK_END;
    return 0;
}

int conf_lex(struct conf_source *s, struct arena *a, struct conf_words *words,
             enum conf_event *event, struct conf_error *error)
{
    words->n = 0;
    for (;;) {
        skip_blanks_and_comments(s);
        if (at_end(s)) {
            *event = CONF_EVENT_EOF;
            return words->n != 0 ? fail_end(s, error) : 0;
        }
        char c = peek(s);
        if (c == ';' || c == '{' || c == '}')
            return punctuation(s, words, event, error);
        int rc = read_word(s, a, words, error);
        if (rc != 0)
            return rc;
    }
}
