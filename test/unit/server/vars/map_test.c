// SPDX-License-Identifier: Apache-2.0
//
// map: what its block compiles to and what is found in it.
#include "server/vars/map.h"

#include "test/unit/server/directives/load_fixture.h"

static const struct map *map_of(const struct config *c, const char *name)
{
    const struct var *v = strmap_get(&c->http->vars.by_name, sv_from(name));

    cr_assert_not_null(v);
    cr_assert_eq(v->get, map_get);
    return (const struct map *)v->data;
}

static const char *look_up(const struct map *m, const char *key)
{
    const struct map_regex *regex;
    struct regex_match match;
    const struct template *t = map_find(m, sv_from(key), &regex, &match);

    return t != NULL ? t->source.p : NULL;
}

Test(map, keys_are_compared_without_case_before_regular_expressions)
{
    struct config *c = load_http("map $uri $x { default d; Abc 1; ~^a 2; ~*^B 3; '' 4;\n"
                                 "\\default 5;\n"
                                 "\\~z 6; }");
    const struct map *m = map_of(c, "x");

    cr_assert_str_eq(look_up(m, "aBC"), "1");
    cr_assert_str_eq(look_up(m, "abcd"), "2");
    cr_assert_null(look_up(m, "Abcd"));
    cr_assert_str_eq(look_up(m, "bx"), "3");
    cr_assert_str_eq(look_up(m, ""), "4");
    cr_assert_str_eq(look_up(m, "default"), "5");
    cr_assert_str_eq(look_up(m, "~z"), "6");
    assert_sv(m->fallback->literal, "d");
    config_free(c);
}

Test(map, hostnames_have_wildcards_at_both_ends)
{
    struct config *c = load_http("map $host $x { hostnames; a.example.com 1; *.example.com 2;\n"
                                 "*.b.example.com 3; .org 4; www.* 5; }");
    const struct map *m = map_of(c, "x");

    cr_assert_str_eq(look_up(m, "a.example.com"), "1");
    cr_assert_str_eq(look_up(m, "c.example.com"), "2");
    cr_assert_str_eq(look_up(m, "c.b.example.com"), "3");
    cr_assert_str_eq(look_up(m, "org"), "4");
    cr_assert_str_eq(look_up(m, "x.org."), "4");
    cr_assert_str_eq(look_up(m, "www.net"), "5");
    cr_assert_null(look_up(m, "example.com"));
    config_free(c);
}

Test(map, without_hostnames_a_star_is_a_star)
{
    struct config *c = load_http("map $host $x { *.a 1; }");

    cr_assert_null(look_up(map_of(c, "x"), "b.a"));
    cr_assert_str_eq(look_up(map_of(c, "x"), "*.a"), "1");
    config_free(c);
}

Test(map, volatile_maps_are_not_cached_and_others_are)
{
    struct config *c = load_http("map $uri $v { volatile; a 1; } map $uri $w { a $v; }");
    const struct var *v = strmap_get(&c->http->vars.by_name, SV("v"));
    const struct var *w = strmap_get(&c->http->vars.by_name, SV("w"));

    cr_assert_eq(v->flags & VAR_CACHED, 0);
    cr_assert_neq(w->flags & VAR_CACHED, 0);
    cr_assert_lt(w->slot, c->http->var_slots);
    cr_assert_null(map_of(c, "w")->fallback);
    config_free(c);
}

Test(map, refuses_what_nginx_refuses_in_its_words)
{
    static const struct refused rows[] = {
        {"map $uri x { }", "invalid variable name \"x\" in ", 3},
        {"map $uri $host { }", "the duplicate \"host\" variable in ", 3},
        {"map $uri $x {\na; }", "invalid number of the map parameters in ", 4},
        {"map $uri $x {\na b c; }", "invalid number of the map parameters in ", 4},
        {"map $uri $x { default 1;\ndefault 2; }", "duplicate default map parameter in ", 4},
        {"map $uri $x { a 1;\nA 2; }", "conflicting parameter \"A\" in ", 4},
        {"map $uri $x { hostnames;\na*b 2; }", "invalid hostname or wildcard \"a*b\" in ", 4},
        {"map $uri $x { ~( 1; }", "pcre2_compile() failed: ", 3},
        {"map $uri $x { a $nonesuch; }", "unknown \"nonesuch\" variable in ", 3},
        {"server { map $uri $x { } }", "\"map\" directive is not allowed here in ", 3},
    };

    check_refused_http(rows, array_len(rows));
}
