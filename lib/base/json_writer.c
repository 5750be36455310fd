// SPDX-License-Identifier: Apache-2.0
#include "lib/base/json_writer.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/check.h"

void json_start(struct json_writer *j, FILE *out)
{
    *j = (struct json_writer){.out = out};
}

void json_start_compact(struct json_writer *j, FILE *out)
{
    *j = (struct json_writer){.out = out, .compact = true};
}

static void new_line(struct json_writer *j)
{
    if (!j->compact)
        fprintf(j->out, "\n%*s", (int)(2 * j->depth), "");
}

// How long a sequence of UTF-8 starts here (RFC 3629), or 0: overlong forms, surrogates and what is
// cut off are no text.
static size_t sequence(const unsigned char *p)
{
    unsigned first = p[0], low = 0x80, high = 0xbf;
    size_t n = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;

    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < n; i++, low = 0x80, high = 0xbf) {
        if (p[i] < low || p[i] > high)
            return 0;
    }
    return n;
}

static void put_text(FILE *out, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;

    fputc('"', out);
    for (size_t n; *p != '\0'; p += n > 0 ? n : 1) {
        n = sequence(p);
        if (n == 0)
            fputs("\\ufffd", out);
        else if (*p < 0x20 || *p == 0x7f)
            fprintf(out, "\\u%04x", *p);
        else if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else
            fwrite(p, 1, n, out);
    }
    fputc('"', out);
}

static void begin_value(struct json_writer *j, const char *key)
{
    if (j->depth > 0) {
        if (j->level[j->depth - 1].some)
            fputc(',', j->out);
        j->level[j->depth - 1].some = true;
        new_line(j);
    }
    if (key == NULL)
        return;
    put_text(j->out, key);
    fputs(j->compact ? ":" : ": ", j->out);
}

static void begin_level(struct json_writer *j, const char *key, char open, char close)
{
    begin_value(j, key);
    check(j->depth < JSON_DEPTH_MAX);
    fputc(open, j->out);
    j->level[j->depth].close = close;
    j->level[j->depth].some = false;
    j->depth++;
}

void json_object(struct json_writer *j, const char *key)
{
    begin_level(j, key, '{', '}');
}

void json_list(struct json_writer *j, const char *key)
{
    begin_level(j, key, '[', ']');
}

void json_end(struct json_writer *j)
{
    check(j->depth > 0);
    j->depth--;
    if (j->level[j->depth].some)
        new_line(j);
    fputc(j->level[j->depth].close, j->out);
    if (j->depth == 0)
        fputc('\n', j->out);
}

void json_text(struct json_writer *j, const char *key, const char *text)
{
    if (text == NULL) {
        json_null(j, key);
        return;
    }
    begin_value(j, key);
    put_text(j->out, text);
}

void json_number(struct json_writer *j, const char *key, int64_t value)
{
    begin_value(j, key);
    fprintf(j->out, "%" PRId64, value);
}

void json_fraction(struct json_writer *j, const char *key, double value)
{
    begin_value(j, key);
    fprintf(j->out, "%.6f", value);
}

void json_bool(struct json_writer *j, const char *key, bool value)
{
    begin_value(j, key);
    fputs(value ? "true" : "false", j->out);
}

void json_null(struct json_writer *j, const char *key)
{
    begin_value(j, key);
    fputs("null", j->out);
}
