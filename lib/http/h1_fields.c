// SPDX-License-Identifier: Apache-2.0
//
// Header fields and bodies: llhttp in strict mode with the one leniency of a bare LF as a line
// end in the head, and the rules that llhttp leaves to its user: Host, Transfer-Encoding, fields
// that may be there once, nginx's valid names.
#include "lib/base/check.h"
#include "lib/http/h1_priv.h"

#define FIRST_FIELDS 16

// Framing may cost this much: 5 bytes for each chunk of one byte ("1\r\nx\r\n"), and the head's
// limits once more for extensions, leading zeros and trailers.
#define WIRE_PER_PAYLOAD 6

static int give_up(struct h1_parser *p, enum h1_result r)
{
    p->failure = (uint8_t)r;
    return HPE_USER;
}

static bool fields_grow(struct h1_parser *p)
{
    uint32_t cap = p->cfields == 0 ? FIRST_FIELDS : p->cfields * 2;
    struct h1_field *f = arena_alloc(p->arena, cap * sizeof(*f));
    if (f == NULL)
        return false;
    if (p->nfields > 0)
        memcpy(f, p->fields, p->nfields * sizeof(*f));
    p->fields = f;
    p->cfields = cap;
    return true;
}

// Whole lines are fed, so a name comes in one piece. Out of memory is answered like a head too
// large, which it is for us.
static int on_name(llhttp_t *ll, const char *at, size_t n)
{
    struct h1_parser *p = ll->data;
    if (p->state != H1_IN_FIELDS)
        return 0; // a trailer, discarded with the body
    if (p->nfields == p->cfields && !fields_grow(p))
        return give_up(p, H1_HEADER_TOO_LARGE);
    uint32_t name = (uint32_t)(at - p->base);
    p->fields[p->nfields++] = (struct h1_field){.name = name, .name_len = (uint32_t)n};
    return 0;
}

static int on_value(llhttp_t *ll, const char *at, size_t n)
{
    struct h1_parser *p = ll->data;
    if (p->state != H1_IN_FIELDS)
        return 0;
    struct h1_field *f = &p->fields[p->nfields - 1];
    if (f->value == 0)
        f->value = (uint32_t)(at - p->base);
    f->value_len = (uint32_t)(at - p->base + (ptrdiff_t)n) - f->value;
    return 0;
}

// Letters, digits and '-' are valid for nginx, '_' on demand.
enum { NAME_VALID = 1, NAME_UNDERSCORE = 2 };

static const uint8_t name_bytes[256] = {
    ['a' ... 'z'] = NAME_VALID, ['A' ... 'Z'] = NAME_VALID, ['0' ... '9'] = NAME_VALID,
    ['-'] = NAME_VALID,         ['_'] = NAME_UNDERSCORE,
};

static bool is_valid_name(struct sv name, bool underscores)
{
    uint8_t accepted = underscores ? NAME_VALID | NAME_UNDERSCORE : NAME_VALID;
    for (size_t i = 0; i < name.n; i++) {
        if ((name_bytes[(unsigned char)name.p[i]] & accepted) == 0)
            return false;
    }
    return true;
}

// Fields that may be there once: a second one would leave open which of them counts.
enum unique {
    UNIQUE_HOST,
    UNIQUE_EXPECT,
    UNIQUE_LENGTH,
    UNIQUE_TRANSFER_ENCODING,
    UNIQUE_OTHER, // from here on
};

static const struct sv unique_names[] = {
    [UNIQUE_HOST] = {"Host", 4},
    [UNIQUE_EXPECT] = {"Expect", 6},
    [UNIQUE_LENGTH] = {"Content-Length", 14},
    [UNIQUE_TRANSFER_ENCODING] = {"Transfer-Encoding", 17},
    [UNIQUE_OTHER] = {"If-Range", 8},
    {"If-Match", 8},
    {"If-None-Match", 13},
    {"If-Modified-Since", 17},
    {"If-Unmodified-Since", 19},
    {"Content-Range", 13},
    {"Authorization", 13},
    {"Proxy-Authorization", 19},
};

// The lengths above as bits: most names are known not to be meant without a comparison.
#define UNIQUE_LENGTHS (1u << 4 | 1u << 6 | 1u << 8 | 1u << 13 | 1u << 14 | 1u << 17 | 1u << 19)

static int find_unique(struct sv name)
{
    if (name.n >= 32 || (UNIQUE_LENGTHS >> name.n & 1) == 0)
        return -1;
    for (size_t i = 0; i < array_len(unique_names); i++) {
        if (unique_names[i].n == name.n && sv_eq_nocase(unique_names[i], name))
            return (int)i;
    }
    return -1;
}

// False is a bad request.
static bool apply_field(struct h1_parser *p, struct sv name, struct sv value)
{
    int which = find_unique(name);
    if (which < 0)
        return true;
    uint32_t bit = 1u << which;
    if ((p->seen & bit) != 0)
        return false;
    p->seen |= bit;
    switch (which) {
    case UNIQUE_HOST:
        p->has_host = true;
        return true;
    case UNIQUE_EXPECT:
        p->expect_continue = p->http_minor > 0 && sv_eq_nocase(value, SV("100-continue"));
        return true;
    case UNIQUE_LENGTH:
        return value.n > 0; // which llhttp takes for no length at all
    case UNIQUE_TRANSFER_ENCODING:
        return p->http_minor > 0 && sv_eq_nocase(value, SV("chunked"));
    default:
        return true;
    }
}

static int on_value_complete(llhttp_t *ll)
{
    struct h1_parser *p = ll->data;
    if (p->state != H1_IN_FIELDS)
        return 0;
    struct h1_field *f = &p->fields[p->nfields - 1];
    if (f->value == 0)
        f->value = f->name + f->name_len + 1;
    struct sv name = sv_of(p->base + f->name, f->name_len);
    struct sv value = sv_trim(sv_of(p->base + f->value, f->value_len));
    f->value_len = (uint32_t)value.n;
    f->ignored = p->limits.ignore_invalid && !is_valid_name(name, p->limits.underscores);
    if (f->ignored)
        return 0;
    if (++p->counted > p->limits.max_headers)
        return give_up(p, H1_HEADER_TOO_LARGE);
    return apply_field(p, name, value) ? 0 : give_up(p, H1_BAD_REQUEST);
}

// A chunked body has no excuse for a bare LF: two readers of one message must agree where it ends.
static int on_head_complete(llhttp_t *ll)
{
    struct h1_parser *p = ll->data;
    p->connection_close = (ll->flags & F_CONNECTION_CLOSE) != 0;
    p->connection_keep_alive = (ll->flags & F_CONNECTION_KEEP_ALIVE) != 0;
    p->chunked = (ll->flags & F_CHUNKED) != 0;
    p->has_length = (ll->flags & F_CONTENT_LENGTH) != 0;
    p->content_length = p->has_length ? ll->content_length : 0;
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
    enum llhttp_errno e =
        llhttp_execute(&p->ll, p->http_minor == 0 ? http_1_0 : http_1_1, sizeof(http_1_1) - 1);
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
