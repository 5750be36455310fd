// SPDX-License-Identifier: Apache-2.0
//
// gzip and charset.
#include "test/unit/server/directives/load_fixture.h"

#include "server/filters/charset_conf.h"
#include "server/filters/gzip_conf.h"

Test(gzip, defaults_are_those_of_nginx)
{
    const struct location_conf *l;
    struct config *c = load_server("", &l);

    cr_assert_eq(l->gzip.on, 0);
    cr_assert_eq(l->gzip.level, 1);
    cr_assert_eq(l->gzip.min_length, 20);
    cr_assert_eq(l->gzip.vary, 0);
    cr_assert_eq(l->gzip.http_version, 11);
    cr_assert_eq(l->gzip.proxied, GZIP_PROXIED_OFF);
    cr_assert_null(l->gzip.types);
    cr_assert_null(l->gzip.disable);
    config_free(c);
}

Test(gzip, each_word_fills_its_field)
{
    const struct location_conf *l;
    struct config *c = load_server("gzip on; gzip_comp_level 6; gzip_min_length 1k; gzip_vary on;\n"
                                   "gzip_http_version 1.0; gzip_proxied expired auth no_etag;\n"
                                   "gzip_types text/vtt text/plain;\n"
                                   "gzip_disable msie6 'x[yz]';", &l);

    cr_assert_eq(l->gzip.on, 1);
    cr_assert_eq(l->gzip.level, 6);
    cr_assert_eq(l->gzip.min_length, 1024);
    cr_assert_eq(l->gzip.vary, 1);
    cr_assert_eq(l->gzip.http_version, 10);
    cr_assert_eq(l->gzip.proxied,
                 GZIP_PROXIED_EXPIRED | GZIP_PROXIED_AUTH | GZIP_PROXIED_NO_ETAG);
    cr_assert_not_null(strmap_get(l->gzip.types, SV("text/html")));
    cr_assert_not_null(strmap_get(l->gzip.types, SV("text/vtt")));
    const struct gzip_disable *d = l->gzip.disable;
    cr_assert(regex_exec(d->regex, SV("AXYZ"), NULL));
    cr_assert(regex_exec(d->next->regex, SV("a MSIE 6.0; b"), NULL));
    cr_assert(!regex_exec(d->next->regex, SV("a MSIE 6.0; SV1"), NULL));
    cr_assert(!regex_exec(d->next->regex, SV("a MSIE 7.0"), NULL));
    config_free(c);
}

Test(charset, name_types_and_source)
{
    const struct location_conf *l;
    struct config *c = load_server("charset $arg_c; charset_types text/vtt;", &l);

    assert_sv(l->charset.name->source, "$arg_c");
    cr_assert_null(l->charset.source);
    cr_assert_not_null(strmap_get(l->charset.types, SV("text/html")));
    cr_assert_not_null(strmap_get(l->charset.types, SV("text/vtt")));
    cr_assert_null(strmap_get(l->charset.types, SV("text/plain")));
    config_free(c);
}

Test(charset, map_is_found_in_both_directions)
{
    struct config *c = load_http("charset_map b a { 58 59; c1 E1; }\n"
                                 "charset_map b utf-8 { 80 E282AC; }\n"
                                 "server { charset a; source_charset B; }");
    const struct charset_pair *pairs = c->http->charset_pairs, *p;
    bool backward;

    p = charset_pair_find(pairs, SV("A"), SV("B"), &backward);
    cr_assert(p != NULL && backward);
    cr_assert_eq(p->map.backward[0xe1], 0xc1);
    p = charset_pair_find(pairs, SV("b"), SV("UTF-8"), &backward);
    cr_assert(p != NULL && !backward);
    cr_assert_eq(p->map.forward[0x80][0], 3);
    cr_assert_null(charset_pair_find(pairs, SV("a"), SV("utf-8"), &backward));
    config_free(c);
}

Test(gzip, refuses_what_nginx_refuses_in_its_words)
{
    static const struct refused rows[] = {
        {"gzip maybe;", "invalid value \"maybe\" in \"gzip\" directive", 0},
        {"gzip_comp_level 0;", "value must be between 1 and 9 in ", 3},
        {"gzip_comp_level 10;", "value must be between 1 and 9 in ", 3},
        {"gzip_http_version 2;", "invalid value \"2\"", 0},
        {"gzip_proxied some;", "invalid value \"some\" in ", 3},
        {"gzip_disable (;", "", 0},
        {"charset_map a A { }", "\"charset_map\" between the same charsets \"a\" and \"A\" in ", 3},
        {"charset_map utf-8 a { }", "\"charset_map\" with \"utf-8\" charset should be ", 3},
        {"charset_map a b { }\ncharset_map B A { }", "duplicate \"charset_map\" between ", 4},
        {"charset_map a b {\n1 100;\n}", "invalid value \"100\" in ", 4},
        {"charset_map a b {\n1 D0B0;\n}", "invalid value \"D0B0\" in ", 4},
        {"charset_map a utf-8 {\n80 D0;\n}", "invalid value \"D0\" in ", 4},
        {"charset_map a b {\n1;\n}", "invalid parameters number in ", 4},
        {"server { charset x; source_charset y; }",
         "no \"charset_map\" between the charsets \"y\" and \"x\"", 0},
    };

    check_refused_http(rows, array_len(rows));
}
