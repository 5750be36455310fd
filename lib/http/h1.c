// SPDX-License-Identifier: Apache-2.0
//
// The course of a request head: empty lines, the request line, then header lines, given to llhttp
// as whole lines only, so that what is found does not depend on how the bytes arrived. nginx's
// header buffers are accounted for here line by line as if they were there, because its limits
// are what configurations were tuned for.
#include "lib/http/h1.h"

#include "lib/base/check.h"
#include "lib/http/h1_priv.h"

// Where a line began, and whether its end came.
enum line_state { LINE_OPEN, LINE_TOO_LONG, LINE_COMPLETE };

void h1_init(struct h1_parser *p, struct http_head *head, struct arena *a,
             const struct h1_limits *limits)
{
    *head = (struct http_head){0};
    *p = (struct h1_parser){
        .head = head,
        .arena = a,
        .limits = *limits,
        .room = limits->first_buffer,
    };
}

// nginx moves a line that its buffer cannot hold to a fresh large one, if there is one: how long
// may the current line be, its end included?
static uint32_t line_limit(const struct h1_parser *p)
{
    if (p->larges == p->limits.large_count)
        return p->room;
    return max_of(p->room, p->limits.large_size);
}

static void line_take(struct h1_parser *p, uint32_t len)
{
    if (len > p->room) {
        p->larges++;
        p->room = p->limits.large_size;
    }
    p->room -= len;
}

// Looks for the end of the line that begins at `pos`, from where the last look ended. `*end` is
// behind it.
static enum line_state find_line(struct h1_parser *p, const char *buf, uint32_t len, uint32_t pos,
                                 uint32_t *end)
{
    uint32_t allowed = line_limit(p);
    uint32_t stop = len - pos < allowed ? len : pos + allowed;
    const char *nl = memchr(buf + p->scanned, '\n', stop - p->scanned);
    if (nl == NULL) {
        p->scanned = stop;
        return stop - pos < allowed ? LINE_OPEN : LINE_TOO_LONG;
    }
    *end = p->scanned = (uint32_t)(nl - buf) + 1;
    line_take(p, *end - pos);
    return LINE_COMPLETE;
}

static enum h1_result fail(struct h1_parser *p, enum h1_result r)
{
    p->state = H1_FAILED;
    p->failure = (uint8_t)r;
    return r;
}

// Without its line end, which is CR LF or a bare LF (RFC 9112, 2.2).
static uint32_t trim_line_end(const char *line, uint32_t len)
{
    len--;
    return len > 0 && line[len - 1] == '\r' ? len - 1 : len;
}

// What the log can show of a request line that is refused before its end came.
static uint32_t shown_line(const char *line, uint32_t len)
{
    const char *cr = memchr(line, '\r', len);
    return cr != NULL ? (uint32_t)(cr - line) : len;
}

// One buffer full of empty lines is enough.
static enum h1_result skip_empty_lines(struct h1_parser *p, const char *buf, uint32_t len)
{
    uint32_t pos = (uint32_t)p->parsed;
    for (;;) {
        if (pos >= p->limits.first_buffer)
            return fail(p, H1_BAD_REQUEST);
        if (pos < len && buf[pos] == '\n')
            pos++;
        else if (len - pos >= 2 && buf[pos] == '\r' && buf[pos + 1] == '\n')
            pos += 2;
        else
            break;
    }
    p->parsed = p->scanned = p->head->method = pos;
    if (pos == len || (len - pos == 1 && buf[pos] == '\r'))
        return H1_MORE;
    p->room = p->limits.first_buffer - pos;
    p->state = H1_IN_LINE;
    return H1_DONE;
}

static enum h1_result take_request_line(struct h1_parser *p, const char *buf, uint32_t len)
{
    uint32_t end = 0;
    const char *line = buf + p->head->method;
    enum line_state found = find_line(p, buf, len, p->head->method, &end);
    if (found != LINE_COMPLETE) {
        uint32_t seen = p->scanned - p->head->method;
        bool plausible = h1_line_plausible(line, seen);
        if (found == LINE_OPEN && plausible)
            return H1_MORE;
        p->head->line_len = shown_line(line, seen);
        return fail(p, plausible ? H1_URI_TOO_LONG : H1_BAD_REQUEST);
    }
    p->head->line_len = trim_line_end(line, end - p->head->method);
    enum h1_result r = h1_parse_line(p, buf, p->head->line_len);
    if (r != H1_DONE && r != H1_METHOD_UNKNOWN)
        return fail(p, r);
    p->parsed = end;
    if (p->head->http_0_9) {
        p->head->head_len = end;
        p->state = H1_AT_END;
        return H1_DONE;
    }
    h1_fields_begin(p);
    p->state = H1_IN_FIELDS;
    return H1_DONE;
}

// The checks that need all fields.
static enum h1_result finish_head(struct h1_parser *p)
{
    bool http_1_0 = p->head->http_minor == 0;
    p->host_missing = !http_1_0 && !p->head->has_host;
    if (p->host_missing)
        return fail(p, H1_BAD_REQUEST);
    p->head->head_len = (uint32_t)p->parsed;
    p->keep_alive = !p->connection_close && (!http_1_0 || p->connection_keep_alive);
    p->state = p->chunked || p->head->content_length > 0 ? H1_IN_BODY : H1_AT_END;
    return p->head->llhttp_method == HTTP_METHOD_UNKNOWN ? H1_METHOD_UNKNOWN : H1_DONE;
}

static bool is_empty_line(const char *line, uint32_t len)
{
    return len == 1 || (len == 2 && line[0] == '\r');
}

static enum h1_result take_fields(struct h1_parser *p, const char *buf, uint32_t len)
{
    uint32_t from = (uint32_t)p->parsed, pos = from, end = 0;
    enum line_state found;
    bool last = false;
    while (!last && (found = find_line(p, buf, len, pos, &end)) == LINE_COMPLETE) {
        last = is_empty_line(buf + pos, end - pos);
        pos = end;
    }
    p->parsed = pos;
    if (pos > from && !h1_fields_feed(p, buf, from, pos))
        return fail(p, p->failure);
    if (last != (p->state != H1_IN_FIELDS))
        return fail(p, H1_BAD_REQUEST); // llhttp and we must agree where the head ends
    if (last)
        return finish_head(p);
    return found == LINE_TOO_LONG ? fail(p, H1_HEADER_TOO_LARGE) : H1_MORE;
}

enum h1_result h1_head(struct h1_parser *p, const char *buf, size_t len)
{
    check(len <= UINT32_MAX && len >= p->parsed);
    uint32_t n = (uint32_t)len;
    if (p->state == H1_FAILED)
        return p->failure;
    if (p->state == H1_AT_START) {
        enum h1_result r = skip_empty_lines(p, buf, n);
        if (r != H1_DONE)
            return r;
    }
    if (p->state == H1_IN_LINE) {
        enum h1_result r = take_request_line(p, buf, n);
        if (r != H1_DONE || p->head->http_0_9)
            return r;
    }
    check(p->state == H1_IN_FIELDS);
    return take_fields(p, buf, n);
}
