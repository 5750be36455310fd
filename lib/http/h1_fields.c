// SPDX-License-Identifier: Apache-2.0
//
// Header fields and bodies: llhttp in strict mode with the one leniency of a bare LF as a line
// end in the head. What a field means for its head is judged in head.c.
#include "lib/base/check.h"
#include "lib/http/h1_priv.h"

// Framing may cost this much: 5 bytes for each chunk of one byte ("1\r\nx\r\n"), and the head's
// limits once more for extensions, leading zeros and trailers.
#define WIRE_PER_PAYLOAD 6

static int give_up(struct h1_parser *p, enum h1_result r)
{
    p->failure = (uint8_t)r;
    return HPE_USER;
}

// Whole lines are fed, so a name comes in one piece. Out of memory is answered like a head too
// large, which it is for us.
static int on_name(llhttp_t *ll, const char *at, size_t n)
{
    struct h1_parser *p = ll->data;
    if (p->state != H1_IN_FIELDS)
        return 0; // a trailer, discarded with the body
    struct http_field *f = http_head_grow(p->head, p->arena);
    if (f == NULL)
        return give_up(p, H1_HEADER_TOO_LARGE);
    f->name = (uint32_t)(at - p->base);
    f->name_len = (uint32_t)n;
    return 0;
}

static int on_value(llhttp_t *ll, const char *at, size_t n)
{
    struct h1_parser *p = ll->data;
    if (p->state != H1_IN_FIELDS)
        return 0;
    struct http_field *f = &p->head->fields[p->head->nfields - 1];
    if (f->value == 0)
        f->value = (uint32_t)(at - p->base);
    f->value_len = (uint32_t)(at - p->base + (ptrdiff_t)n) - f->value;
    return 0;
}

static int on_value_complete(llhttp_t *ll)
{
    struct h1_parser *p = ll->data;
    if (p->state != H1_IN_FIELDS)
        return 0;
    struct http_field *f = &p->head->fields[p->head->nfields - 1];
    if (f->value == 0)
        f->value = f->name + f->name_len + 1;
    f->value_len = (uint32_t)sv_trim(sv_of(p->base + f->value, f->value_len)).n;
    switch (http_head_judge(p->head, p->base, &p->limits.fields)) {
    case HTTP_FIELD_OK:
        return 0;
    case HTTP_FIELD_BAD:
        return give_up(p, H1_BAD_REQUEST);
    default:
        return give_up(p, H1_HEADER_TOO_LARGE);
    }
}

// A chunked body has no excuse for a bare LF: two readers of one message must agree where it ends.
static int on_head_complete(llhttp_t *ll)
{
    struct h1_parser *p = ll->data;
    p->connection_close = (ll->flags & F_CONNECTION_CLOSE) != 0;
    p->connection_keep_alive = (ll->flags & F_CONNECTION_KEEP_ALIVE) != 0;
    p->chunked = (ll->flags & F_CHUNKED) != 0;
    p->head->has_length = (ll->flags & F_CONTENT_LENGTH) != 0;
    p->head->content_length = p->head->has_length ? ll->content_length : 0;
    p->state = H1_IN_BODY;
    llhttp_set_lenient_optional_cr_before_lf(ll, 0);
    return 0;
}

static int on_body(llhttp_t *ll, const char *at, size_t n)
{
    struct h1_parser *p = ll->data;
    (void)at;
    p->body_bytes += n;
    return 0;
}

// Pausing keeps llhttp's hands off the next request of the connection.
static int on_message_complete(llhttp_t *ll)
{
    struct h1_parser *p = ll->data;
    p->state = H1_AT_END;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_head_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

// llhttp is told the request line that all requests have in common; ours has been parsed already.
void h1_fields_begin(struct h1_parser *p)
{
    static const char http_1_0[] = "GET / HTTP/1.0\r\n", http_1_1[] = "GET / HTTP/1.1\r\n";
    llhttp_init(&p->ll, HTTP_REQUEST, &settings);
    p->ll.data = p;
    const char *line = p->head->http_minor == 0 ? http_1_0 : http_1_1;
    enum llhttp_errno e = llhttp_execute(&p->ll, line, sizeof(http_1_1) - 1);
    check(e == HPE_OK);
    llhttp_set_lenient_optional_cr_before_lf(&p->ll, 1);
}

bool h1_fields_feed(struct h1_parser *p, const char *buf, uint32_t from, uint32_t to)
{
    p->base = buf;
    p->ll.data = p;
    p->failure = H1_BAD_REQUEST;
    enum llhttp_errno e = llhttp_execute(&p->ll, buf + from, to - from);
    p->base = NULL;
    if (p->state == H1_IN_FIELDS)
        return e == HPE_OK;
    // The empty line was the last one given, so nothing behind it can be wrong.
    return e == HPE_OK || e == HPE_PAUSED || e == HPE_PAUSED_UPGRADE;
}

enum h1_result h1_body(struct h1_parser *p, const char *buf, size_t len, size_t *used)
{
    *used = 0;
    if (p->state == H1_AT_END)
        return H1_DONE;
    check(p->state == H1_IN_BODY || p->state == H1_FAILED);
    if (p->state == H1_FAILED)
        return H1_BAD_REQUEST;
    p->ll.data = p;
    enum llhttp_errno e = llhttp_execute(&p->ll, buf, len);
    *used = e == HPE_OK ? len : (size_t)(llhttp_get_error_pos(&p->ll) - buf);
    p->body_wire += *used;
    uint64_t allowance = p->limits.first_buffer +
                         (uint64_t)p->limits.large_count * p->limits.large_size;
    if (p->state == H1_AT_END)
        return H1_DONE;
    if (e == HPE_OK && p->body_wire <= allowance + WIRE_PER_PAYLOAD * p->body_bytes)
        return H1_MORE;
    p->state = H1_FAILED;
    return H1_BAD_REQUEST;
}
