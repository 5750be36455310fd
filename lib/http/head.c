// SPDX-License-Identifier: Apache-2.0
#include "lib/http/head.h"

#include <llhttp.h>

#define FIRST_FIELDS 16

#define METHOD_NAME(number, name, string) {(number), sizeof(#string) - 1, #string},

static const struct {
    uint8_t number, len;
    char name[14];
} methods[] = {HTTP_METHOD_MAP(METHOD_NAME)};

uint8_t http_method_number(struct sv m)
{
    if (m.n == 3 && memcmp(m.p, "GET", 3) == 0)
        return HTTP_GET;
    for (size_t i = 0; i < array_len(methods); i++) {
        if (methods[i].len == m.n && memcmp(methods[i].name, m.p, m.n) == 0)
            return methods[i].number;
    }
    return HTTP_METHOD_UNKNOWN;
}

struct http_field *http_head_grow(struct http_head *h, struct arena *a)
{
    if (h->nfields == h->cfields) {
        uint32_t cap = h->cfields == 0 ? FIRST_FIELDS : h->cfields * 2;
        struct http_field *f = arena_alloc(a, cap * sizeof(*f));
        if (f == NULL)
            return NULL;
        if (h->nfields > 0)
            memcpy(f, h->fields, h->nfields * sizeof(*f));
        h->fields = f;
        h->cfields = cap;
    }
    struct http_field *f = &h->fields[h->nfields++];
    *f = (struct http_field){0};
    return f;
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
static bool apply(struct http_head *h, struct sv name, struct sv value)
{
    int which = find_unique(name);
    if (which < 0)
        return true;
    uint32_t bit = 1u << which;
    if ((h->seen & bit) != 0)
        return false;
    h->seen |= bit;
    switch (which) {
    case UNIQUE_HOST:
        h->has_host = true;
        return true;
    case UNIQUE_EXPECT:
        h->expect_continue = h->http_minor > 0 && sv_eq_nocase(value, SV("100-continue"));
        return true;
    case UNIQUE_LENGTH:
        return value.n > 0; // which llhttp takes for no length at all
    case UNIQUE_TRANSFER_ENCODING:
        return h->http_minor > 0 && sv_eq_nocase(value, SV("chunked"));
    default:
        return true;
    }
}

enum http_field_result http_head_judge(struct http_head *h, const char *base,
                                       const struct http_field_rules *rules)
{
    struct http_field *f = &h->fields[h->nfields - 1];
    struct sv name = sv_of(base + f->name, f->name_len);

    f->ignored = rules->ignore_invalid && !is_valid_name(name, rules->underscores);
    if (f->ignored)
        return HTTP_FIELD_OK;
    if (++h->counted > rules->max_headers)
        return HTTP_FIELD_TOO_MANY;
    return apply(h, name, sv_of(base + f->value, f->value_len)) ? HTTP_FIELD_OK : HTTP_FIELD_BAD;
}

int http_head_find(const struct http_head *h, const char *base, struct sv name)
{
    for (uint32_t i = 0; i < h->nfields; i++) {
        const struct http_field *f = &h->fields[i];
        if (f->name_len == name.n && !f->ignored &&
            sv_eq_nocase(sv_of(base + f->name, f->name_len), name))
            return (int)i;
    }
    return -1;
}
