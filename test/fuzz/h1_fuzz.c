// SPDX-License-Identifier: Apache-2.0
//
// A request given in one piece and in many pieces, each at another address, must be found to be
// the same, and what is found must lie in the bytes given. The first byte chooses the limits, the
// second the pieces; the rest is the request.
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/http/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct h1_limits wide = {
    .first_buffer = 1024, .large_size = 8192, .large_count = 4,
    .fields = {.max_headers = 1000, .ignore_invalid = true},
};
static const struct h1_limits narrow = {
    .first_buffer = 64, .large_size = 96, .large_count = 2,
    .fields = {.max_headers = 4, .underscores = true},
};

struct body_result {
    enum h1_result result;
    size_t used;
};

static size_t next_piece(uint32_t *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return (*seed >> 16) % 23 + 1;
}

static void check_bounds(const struct h1_parser *p, size_t len)
{
    size_t head = p->head->head_len;
    check(head <= len && head > 0);
    check((size_t)p->head->method + p->head->line_len < head && p->head->method_len > 0);
    check(p->head->target_len > 0);
    check((size_t)p->head->target + p->head->target_len <=
          (size_t)p->head->method + p->head->line_len);
    for (uint32_t i = 0; i < p->head->nfields; i++) {
        const struct http_field *f = &p->head->fields[i];
        check(f->name_len > 0 && (size_t)f->name + f->name_len < f->value);
        check((size_t)f->value + f->value_len < head);
    }
}

static void check_same(const struct h1_parser *a, const struct h1_parser *b)
{
    check(a->head->head_len == b->head->head_len && a->head->line_len == b->head->line_len);
    check(a->head->method == b->head->method && a->head->method_len == b->head->method_len);
    check(a->head->target == b->head->target && a->head->target_len == b->head->target_len);
    check(a->head->http_major == b->head->http_major && a->head->http_minor == b->head->http_minor);
    check(a->head->llhttp_method == b->head->llhttp_method && a->keep_alive == b->keep_alive);
    check(a->chunked == b->chunked && a->head->has_length == b->head->has_length);
    check(a->head->expect_continue == b->head->expect_continue);
    check(a->head->http_0_9 == b->head->http_0_9);
    check(a->head->content_length == b->head->content_length);
    check(a->head->nfields == b->head->nfields);
    for (uint32_t i = 0; i < a->head->nfields; i++) {
        const struct http_field *f = &a->head->fields[i], *g = &b->head->fields[i];
        check(f->name == g->name && f->name_len == g->name_len && f->value == g->value);
        check(f->value_len == g->value_len && f->ignored == g->ignored);
    }
}

static enum h1_result head_in_pieces(struct h1_parser *p, const char *in, size_t len, uint32_t seed)
{
    enum h1_result r = H1_MORE;
    for (size_t n = 0; r == H1_MORE && n < len;) {
        n += next_piece(&seed);
        n = min_of(n, len);
        char *copy = malloc(n);
        check(copy != NULL);
        memcpy(copy, in, n);
        r = h1_head(p, copy, n);
        free(copy);
    }
    return r;
}

static struct body_result body_in_pieces(struct h1_parser *p, const char *in, size_t len,
                                         uint32_t seed)
{
    struct body_result b = {H1_MORE, 0};
    while (b.result == H1_MORE && b.used < len) {
        size_t n = next_piece(&seed), used;
        n = min_of(n, len - b.used);
        b.result = h1_body(p, in + b.used, n, &used);
        check(used <= n && (b.result != H1_MORE || used == n));
        b.used += used;
    }
    return b;
}

static void check_bodies(struct h1_parser *whole, struct h1_parser *pieces, const char *in,
                         size_t len, uint32_t seed)
{
    struct body_result a;
    a.result = h1_body(whole, in, len, &a.used);
    struct body_result b = body_in_pieces(pieces, in, len, seed);
    check(a.used <= len && whole->body_bytes <= a.used);
    if (len == 0)
        return;
    check(a.result == b.result);
    check(a.result == H1_BAD_REQUEST || a.used == b.used);
    check(whole->body_bytes == pieces->body_bytes);
    if (a.result == H1_DONE && whole->head->has_length)
        check(whole->body_bytes == whole->head->content_length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    const struct h1_limits *limits = data[0] & 1 ? &narrow : &wide;
    uint32_t seed = data[1];
    const char *in = (const char *)data + 2;
    size_t len = size - 2;
    struct arena arena;
    struct h1_parser whole, pieces;
    struct http_head whole_head, pieces_head;
    arena_init(&arena, NULL);
    h1_init(&whole, &whole_head, &arena, limits);
    h1_init(&pieces, &pieces_head, &arena, limits);

    enum h1_result r = h1_head(&whole, in, len);
    check(r == head_in_pieces(&pieces, in, len, seed));
    if (r == H1_DONE || r == H1_METHOD_UNKNOWN) {
        check_bounds(&whole, len);
        check_same(&whole, &pieces);
        // The narrow limits bound framing too, and that is looked at once for each piece.
        if (limits == &wide)
            check_bodies(&whole, &pieces, in + whole_head.head_len, len - whole_head.head_len,
                         seed);
    }
    arena_reset(&arena);
    return 0;
}
