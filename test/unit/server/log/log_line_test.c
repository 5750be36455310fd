// SPDX-License-Identifier: Apache-2.0
#include "server/log/log_line.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct arena arena;

static void tear_down(void)
{
    arena_reset(&arena);
}

TestSuite(log_line, .fini = tear_down);

static struct sv escape(struct sv value, enum log_escape how)
{
    static char room[64];
    struct log_line line = {.p = room, .cap = sizeof(room), .arena = &arena};

    log_line_escape(&line, value, how);
    cr_assert_not(line.failed);
    return arena_sv(&arena, sv_of(line.p, line.n));
}

#define expect(value, how, text)                                                   \
    do {                                                                           \
        struct sv got_ = escape(SV(value), how);                                   \
        cr_assert(sv_eq(got_, SV(text)), "got \"%.*s\"", SV_ARG(got_));            \
    } while (0)

Test(log_line, default_escape)
{
    expect("", LOG_ESCAPE_DEFAULT, "");
    expect("plain text of some length, nothing in it", LOG_ESCAPE_DEFAULT,
           "plain text of some length, nothing in it");
    expect("/\"1 \x1b\x1c \"", LOG_ESCAPE_DEFAULT, "/\\x221 \\x1B\\x1C \\x22");
    expect("a\\b", LOG_ESCAPE_DEFAULT, "a\\x5Cb");
    expect("\x7f\0\0\1", LOG_ESCAPE_DEFAULT, "\\x7F\\x00\\x00\\x01");
    expect("\xc3\xa9", LOG_ESCAPE_DEFAULT, "\\xC3\\xA9");
    expect("~ !", LOG_ESCAPE_DEFAULT, "~ !");
}

Test(log_line, json_escape)
{
    expect("a\"b\\c/d", LOG_ESCAPE_JSON, "a\\\"b\\\\c/d");
    expect("\n\r\t\b\f", LOG_ESCAPE_JSON, "\\n\\r\\t\\b\\f");
    expect("\0\1\x1f\x7f\xc3\xa9", LOG_ESCAPE_JSON, "\\u0000\\u0001\\u001F\x7f\xc3\xa9");
}

Test(log_line, no_escape)
{
    expect("\"\\\1\xff", LOG_ESCAPE_NONE, "\"\\\1\xff");
}

static struct sv slow_escape(struct sv value, bool json)
{
    static const char pairs[] = "\nn\rr\tt\bb\ff\"\"\\\\";
    char *p = arena_alloc(&arena, value.n * 6 + 1);
    int n = 0;

    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        const char *pair = pairs;
        while (*pair != '\0' && (unsigned char)*pair != c)
            pair += 2;
        if (json && *pair != '\0')
            n += sprintf(p + n, "\\%c", pair[1]);
        else if (json ? c >= 32 : c >= 32 && c < 127 && c != '"' && c != '\\')
            p[n++] = (char)c;
        else
            n += sprintf(p + n, json ? "\\u%04X" : "\\x%02X", c);
    }
    return sv_of(p, (size_t)n);
}

// Eight bytes are looked at together: each byte must be seen at each place, whatever its
// neighbours are.
Test(log_line, each_byte_at_each_place_is_escaped_as_it_is_alone)
{
    static const unsigned char neighbours[] = {'a', 0x21, 0x23, 0x5b, 0x5d, 0x7e, 0x20, 0x80, 0xff};
    char text[19];

    for (unsigned place = 0; place < sizeof(text); place++) {
        for (unsigned c = 0; c < 256; c++) {
            memset(text, neighbours[(c + place) % sizeof(neighbours)], sizeof(text));
            text[place] = (char)c;
            struct sv s = sv_of(text, sizeof(text));
            cr_assert(sv_eq(escape(s, LOG_ESCAPE_DEFAULT), slow_escape(s, false)), "%u", c);
            cr_assert(sv_eq(escape(s, LOG_ESCAPE_JSON), slow_escape(s, true)), "%u", c);
            arena_reset(&arena);
        }
    }
}

Test(log_line, a_line_grows_beyond_its_first_room)
{
    char room[16];
    struct log_line line = {.p = room, .cap = sizeof(room), .arena = &arena};

    for (int i = 0; i < 1000; i++)
        log_line_put(&line, SV("0123456789"));
    cr_assert_eq(line.n, 10000);
    cr_assert(line.p != room);
    cr_assert_eq(memcmp(line.p + 9990, "0123456789", 10), 0);
    cr_assert_eq(memcmp(line.p, "0123456789", 10), 0);
}
