// SPDX-License-Identifier: Apache-2.0
//
// Recoding writes as many bytes as it said, never more; with a table to UTF-8 its output is UTF-8
// that the same table understands; ASCII stays as it is. The first byte says which way and how many
// pairs follow (of a byte and a code point in two bytes); the rest is the text.
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/http/charset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t encode(unsigned c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 0x3f));
    out[2] = (char)(0x80 | (c & 0x3f));
    return 3;
}

// Exactly as large as was said, so that a byte too many is seen.
static struct sv recoded(const struct charset_map *m, bool backward, struct sv in)
{
    size_t n = charset_recode_length(m, backward, in);
    char *out = malloc(n != 0 ? n : 1);

    check(out != NULL);
    charset_recode(m, backward, in, out);
    return sv_of(out, n);
}

static void check_ascii_only_grew(struct sv in, struct sv out)
{
    for (size_t i = 0; i < in.n; i++) {
        if ((uint8_t)in.p[i] >= 0x80)
            return;
    }
    check(sv_eq(in, out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct charset_map *m = calloc(1, sizeof(*m));
    struct arena arena;
    char to[4];
    size_t at = 1;

    arena_init(&arena, NULL);
    if (size == 0 || m == NULL) {
        free(m);
        return 0;
    }
    bool utf8 = (data[0] & 1) != 0, backward = (data[0] & 2) != 0;
    check(charset_map_init(m, &arena, utf8) == 0);
    // Pairs of ASCII would only make the last property untrue.
    for (unsigned pairs = data[0] >> 2; pairs > 0 && at + 3 <= size; pairs--, at += 3) {
        unsigned c = (unsigned)data[at + 1] << 8 | data[at + 2];
        size_t n = utf8 ? encode(c | 0x80, to) : encode(0, to);
        if (!utf8)
            to[0] = (char)(c | 0x80);
        (void)!charset_map_add(m, &arena, data[at] | 0x80, sv_of(to, n));
    }
    struct sv in = {(const char *)data + at, size - at};
    struct sv out = recoded(m, backward, in);
    check_ascii_only_grew(in, out);
    if (!utf8)
        check(out.n == in.n);
    if (utf8 && !backward) {
        struct sv back = recoded(m, true, out);
        check(back.n == in.n);
        free((char *)(uintptr_t)back.p);
    }
    free((char *)(uintptr_t)out.p);
    arena_reset(&arena);
    free(m);
    return 0;
}
