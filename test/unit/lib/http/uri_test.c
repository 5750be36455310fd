// SPDX-License-Identifier: Apache-2.0
//
// Request-targets, escapes, query arguments and hosts.
#include "lib/http/uri.h"

#include <criterion/criterion.h>
#include <errno.h>

static struct arena arena;

static void setup(void)
{
    arena_init(&arena, NULL);
}

static void teardown(void)
{
    arena_reset(&arena);
}

TestSuite(uri, .init = setup, .fini = teardown);

#define ASSERT_SV(view, text, about) \
    cr_assert(sv_eq((view), sv_from(text)), "%s: got \"%.*s\"", about, SV_ARG(view))

Test(uri, paths_are_decoded_and_normalised)
{
    static const struct {
        const char *target, *path;
    } cases[] = {
        {"/", "/"},
        {"/a/b.ts", "/a/b.ts"},
        {"/foo/bar/.", "/foo/bar/"},
        {"/foo/bar/..", "/foo/"},
        {"/foo/bar/./", "/foo/bar/"},
        {"/foo/bar/../x", "/foo/x"},
        {"/a/b/../../c", "/c"},
        {"/a/..", "/"},
        {"/a/../b/..", "/"},
        {"/a//b///c//", "/a/b/c/"},
        {"/foo///../bar", "/bar"},
        {"/a/...", "/a/..."},
        {"/a/..b/.c", "/a/..b/.c"},
        {"/a./b../", "/a./b../"},
        {"/%61%2Fb", "/a/b"},
        {"/a/%2e%2E/b", "/b"},
        {"/a%2f..%2fb", "/b"},
        {"/a/.%2e/b", "/b"},
        {"/a%2f%2fb", "/a/b"},
        {"/%02", "/\x02"},
        {"/%25%34%31", "/%41"}, // once, not twice
        {"/a%3Fb%23c", "/a?b#c"},
        {"/..%3f/x", "/..?/x"},
        {"/a+b", "/a+b"},
        {"/\xc3\xa9", "/\xc3\xa9"},
        {"/%c3%A9", "/\xc3\xa9"},
        {"/a%20b", "/a b"},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        struct uri u;
        cr_assert_eq(uri_parse(sv_from(cases[i].target), true, &arena, &u), 0, "%s",
                     cases[i].target);
        ASSERT_SV(u.path, cases[i].path, cases[i].target);
        ASSERT_SV(u.raw, cases[i].target, cases[i].target);
    }
}

Test(uri, slashes_stay_without_merge_slashes)
{
    static const struct {
        const char *target, *path;
    } cases[] = {
        {"/foo//../bar", "/foo/bar"},
        {"/foo///../bar", "/foo//bar"},
        {"//", "//"},
        {"//a", "//a"},
        {"//../a", "/a"},
        {"/a/.//b", "/a//b"},
        {"/a/..//b", "//b"},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        struct uri u;
        cr_assert_eq(uri_parse(sv_from(cases[i].target), false, &arena, &u), 0);
        ASSERT_SV(u.path, cases[i].path, cases[i].target);
    }
}

Test(uri, bad_targets_are_refused)
{
    static const char *const targets[] = {
        "",           "a",          "*",          "/..",          "/../a",
        "/a/../..",   "/a/../../b", "/%2e%2e/",   "/a/%2e%2e%2f..", "/%",
        "/%1",        "/%zz",       "/%4",        "/a%2",         "/%0g",
        "/%00",       "/a%00b",     "/a b",       "/a\x02",       "/a\x7f",
        "/a?b c",     "/a?\x01",    "/a#\x01",    "http:",        "http:/a",
        "http://",    "http:///a",  "://a/",      "1http://a/",   "http://a#b",
        "http://u@a/", "http://a\\b/", "http://a:b/", "http://a:1:2/", "http://[::1",
        "http://[::1].:9/", "http://[::1]./", "http://x[::1]/", "//..//..", "?a",
    };
    for (size_t i = 0; i < array_len(targets); i++) {
        struct uri u;
        cr_assert_eq(uri_parse(sv_from(targets[i]), true, &arena, &u), -EINVAL, "%s", targets[i]);
    }
}

Test(uri, queries_and_fragments)
{
    static const struct {
        const char *target, *path, *args;
        bool has_query;
    } cases[] = {
        {"/a?b=c", "/a", "b=c", true},
        {"/a?", "/a", "", true},
        {"/a", "/a", "", false},
        {"/a?b?c#d", "/a", "b?c", true},
        {"/a#b?c", "/a", "", false},
        {"/foo/bar/.?args", "/foo/bar/", "args", true},
        {"/foo/bar/.#frag", "/foo/bar/", "", false},
        {"/foo/bar/..?args", "/foo/", "args", true},
        {"/foo/bar/..#frag", "/foo/", "", false},
        {"/%61?%61/..//", "/a", "%61/..//", true},
        {"http://localhost?args", "/", "args", true},
        {"http://localhost?args#frag", "/", "args", true},
        {"http://localhost:8080?args#frag", "/", "args", true},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        struct uri u;
        cr_assert_eq(uri_parse(sv_from(cases[i].target), true, &arena, &u), 0);
        ASSERT_SV(u.path, cases[i].path, cases[i].target);
        ASSERT_SV(u.args, cases[i].args, cases[i].target);
        cr_assert_eq(u.has_query, cases[i].has_query, "%s", cases[i].target);
    }
}

Test(uri, absolute_form_is_split)
{
    static const struct {
        const char *target, *scheme, *authority, *raw, *path;
    } cases[] = {
        {"http://localhost", "http", "localhost", "/", "/"},
        {"http://localhost/", "http", "localhost", "/", "/"},
        {"HTTPS://a.b-c:8080/x/../y?z", "HTTPS", "a.b-c:8080", "/x/../y?z", "/y"},
        {"http://[::1]:80/x", "http", "[::1]:80", "/x", "/x"},
        {"http://a:/x", "http", "a:", "/x", "/x"},
        {"a+b://h?q", "a+b", "h", "?q", "/"},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        struct uri u;
        cr_assert_eq(uri_parse(sv_from(cases[i].target), true, &arena, &u), 0, "%s",
                     cases[i].target);
        ASSERT_SV(u.scheme, cases[i].scheme, cases[i].target);
        ASSERT_SV(u.authority, cases[i].authority, cases[i].target);
        ASSERT_SV(u.raw, cases[i].raw, cases[i].target);
        ASSERT_SV(u.path, cases[i].path, cases[i].target);
    }
}

Test(uri, plain_paths_are_not_copied)
{
    struct sv target = SV("/live/seg-1.m4s?token=1");
    struct uri u;
    cr_assert_eq(uri_parse(target, true, &arena, &u), 0);
    cr_assert_eq(u.path.p, target.p);
    cr_assert_eq(arena.chunk, NULL);
}

Test(uri, extension_of_the_last_segment)
{
    static const struct {
        const char *path, *extension;
    } cases[] = {
        {"/a.m3u8", "m3u8"}, {"/a.b.ts", "ts"}, {"/a.b/c", ""},     {"/a", ""},  {"/.hidden", ""},
        {"/.x.mp4", "mp4"},  {"/a.", ""},       {"/a.mp4/", ""},    {"/", ""},   {"", ""},
    };
    for (size_t i = 0; i < array_len(cases); i++)
        ASSERT_SV(uri_extension(sv_from(cases[i].path)), cases[i].extension, cases[i].path);
}

Test(uri, escape_only_when_needed)
{
    struct sv plain = SV("/a/b-c_d~e!$&'()*+,;=:@[].ts");
    cr_assert_eq(uri_escape(plain, &arena).p, plain.p);
    ASSERT_SV(uri_escape(SV("/a b%?#\"<>\\^`{|}\x7f\x01\xc3\xa9"), &arena),
              "/a%20b%25%3F%23%22%3C%3E%5C%5E%60%7B%7C%7D%7F%01%C3%A9", "escape");
}

Test(uri, query_arguments)
{
    static const struct {
        const char *args, *name, *value; // NULL: not there
    } cases[] = {
        {"a=1&b=2", "a", "1"},  {"a=1&b=2", "b", "2"}, {"a=1&b=2", "B", "2"}, {"ab=1", "b", NULL},
        {"a=1&a=2", "a", "1"},  {"a", "a", NULL},      {"a&a=3", "a", "3"},   {"a=", "a", ""},
        {"x=a=1", "a", NULL},   {"", "a", NULL},
        {"&&a=1", "a", "1"},    {"a=1%26", "a", "1%26"},
        {"ab=1&a=2", "a", "2"},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        struct sv v = {NULL, 0};
        bool found = uri_arg(sv_from(cases[i].args), sv_from(cases[i].name), &v);
        cr_assert_eq(found, cases[i].value != NULL, "%s", cases[i].args);
        if (found) {
            cr_assert_neq(v.p, NULL);
            ASSERT_SV(v, cases[i].value, cases[i].args);
        }
    }
}

Test(uri, hosts)
{
    static const struct {
        const char *authority, *host;
        uint16_t port;
    } cases[] = {
        {"l", "l", 0},
        {"L", "l", 0},
        {"abcd-ef.g02.xyz:", "abcd-ef.g02.xyz", 0},
        {"www.abcd-ef.g02.xyz.", "www.abcd-ef.g02.xyz", 0},
        {"abcd-ef.g02.xyz.:88", "abcd-ef.g02.xyz", 88},
        {"AbC-d93.0.nk.Ru:65535", "abc-d93.0.nk.ru", 65535},
        {"[abcd::ef98:0:7654:321]:80", "[abcd::ef98:0:7654:321]", 80},
        {"[::FFFF:12.30.67.89]", "[::ffff:12.30.67.89]", 0},
        {"[v0aB.!$&'()*+,;=-._~Ab:]", "[v0ab.!$&'()*+,;=-._~ab:]", 0},
        {"a_b%20c", "a_b%20c", 0},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        struct sv host;
        uint16_t port;
        cr_assert_eq(host_parse(sv_from(cases[i].authority), &arena, &host, &port), 0, "%s",
                     cases[i].authority);
        ASSERT_SV(host, cases[i].host, cases[i].authority);
        cr_assert_eq(port, cases[i].port, "%s", cases[i].authority);
    }
}

Test(uri, what_is_no_host)
{
    static const char *const authorities[] = {
        "",          ".",          ":80",         ".:80",        "..a",        "a..b",
        "a..:",      "a/b",        "a\\b",        "a b",         "a\x02",      "a@b",
        "a:80:80",   "a:98777",    "a:1.2",       "a:x",         "[::1",       "[::1].",
        "[::1].:98", "[::1]..:98", "x[::1]:98",   "[ab..cd::1]", "[a/b]",      "a\xe9",
    };
    for (size_t i = 0; i < array_len(authorities); i++) {
        struct sv host;
        uint16_t port;
        cr_assert_eq(host_parse(sv_from(authorities[i]), &arena, &host, &port), -EINVAL, "%s",
                     authorities[i]);
    }
}
