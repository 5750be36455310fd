// SPDX-License-Identifier: Apache-2.0
//
// set, if, return, rewrite and break: what they compile to.
#include "test/unit/server/directives/load_fixture.h"

#include "server/config/location_set.h"
#include "server/request/program.h"

static const struct location_conf *find(const struct config *c, const char *path)
{
    struct location_match m = {.location = NULL};

    location_set_find(c->http->servers[0]->locations, sv_from(path), &m);
    return m.location;
}

static struct config *load_program(const char *text, const struct program **p)
{
    const struct location_conf *l;
    struct config *c = load_server(text, &l);

    *p = l->server->rewrite;
    return c;
}

Test(rewrite, instructions_keep_their_order_and_count_their_bodies)
{
    const struct program *p;
    struct config *c = load_program("set $a 1; if ($a) { set $b $a; break; } return 404;", &p);

    cr_assert_eq(p->n, 3);
    cr_assert_eq(p->total, 5);
    cr_assert_eq(p->at[0].kind, DO_SET);
    assert_sv(p->at[0].var->name, "a");
    cr_assert_eq(p->at[1].kind, DO_IF);
    cr_assert_eq(p->at[1].body->n, 2);
    cr_assert_eq(p->at[1].body->at[1].kind, DO_BREAK);
    cr_assert_null(p->at[1].location);
    cr_assert_eq(p->at[2].ret->status, 404);
    cr_assert_null(p->at[2].ret->text);
    config_free(c);
}

Test(rewrite, every_condition)
{
    static const struct {
        const char *text;
        enum condition_kind kind;
        const char *value;
    } rows[] = {
        {"($host)", IF_VALUE, NULL},
        {"( $host )", IF_VALUE, NULL},
        {"($host = a)", IF_EQUAL, "a"},
        {"($host != 'b c')", IF_NOT_EQUAL, "b c"},
        {"( $host = \"\" )", IF_EQUAL, ""},
        {"($host ~ ^a$)", IF_MATCH, NULL},
        {"($host ~* \"^(a|b)$\")", IF_MATCH, NULL},
        {"($host !~ x )", IF_NOT_MATCH, NULL},
        {"($host !~* x)", IF_NOT_MATCH, NULL},
        {"(-f /x)", IF_FILE, "/x"},
        {"(!-f $uri.txt)", IF_NOT_FILE, "$uri.txt"},
        {"(-d /x)", IF_DIR, "/x"},
        {"(!-d /x)", IF_NOT_DIR, "/x"},
        {"(-e /x)", IF_EXISTS, "/x"},
        {"(!-e /x)", IF_NOT_EXISTS, "/x"},
        {"( -x /x )", IF_EXEC, "/x"},
        {"(!-x /x)", IF_NOT_EXEC, "/x"},
    };

    for (size_t i = 0; i < array_len(rows); i++) {
        const struct program *p;
        char text[96];
        snprintf(text, sizeof(text), "if %s { return 204; }", rows[i].text);
        struct config *c = load_program(text, &p);
        cr_expect_eq(p->at[0].condition, rows[i].kind, "%s", rows[i].text);
        cr_expect(rows[i].value == NULL ||
                      sv_eq(p->at[0].value->source, sv_from(rows[i].value)), "%s", rows[i].text);
        config_free(c);
    }
}

Test(rewrite, the_pattern_of_a_condition_ends_before_the_parenthesis)
{
    const struct program *p;
    struct config *c = load_program("if ($host ~ ^(a)$) { return 204; }", &p);

    cr_assert(regex_exec(p->at[0].regex, SV("a"), NULL));
    cr_assert_not(regex_exec(p->at[0].regex, SV("b"), NULL));
    cr_assert_eq(p->at[0].regex->ngroups, 1);
    config_free(c);
}

Test(rewrite, an_if_in_a_location_inherits_all_but_try_files)
{
    struct config *c = load_http("server { location /v/ { alias /srv/; internal; add_header A 1;\n"
                                 "try_files $uri =404; expires 1h; error_page 404 /e;\n"
                                 "if ($host) { add_header B 2; limit_rate 1k; } } }");
    const struct location_conf *l = find(c, "/v/"), *i = l->rewrite->at[0].location;

    cr_assert_not_null(i);
    cr_assert_eq(i->kind, LOC_PREFIX);
    assert_sv(i->name, "/v/");
    cr_assert(i->alias && i->alias_len == 3 && i->root == l->root);
    cr_assert_eq(i->internal, 1);
    cr_assert_eq(i->expires, l->expires);
    cr_assert_eq(i->error_pages, l->error_pages);
    assert_sv(i->headers->name, "B");
    cr_assert_null(i->headers->next);
    assert_sv(i->limit_rate->literal, "1k");
    cr_assert_null(i->try_files);
    cr_assert_eq(i->server, l->server);
    config_free(c);
}

Test(rewrite, returns_are_statuses_texts_or_urls)
{
    const struct program *p;
    struct config *c = load_program("return 200 \"ok $host\"; return 301 /x; return http://h/;\n"
                                    "return $scheme://h; return 444; return 308 $uri;", &p);

    cr_assert_eq(p->at[0].ret->status, 200);
    cr_assert_not(p->at[0].ret->redirect);
    assert_sv(p->at[0].ret->text->source, "ok $host");
    cr_assert(p->at[1].ret->redirect);
    cr_assert_eq(p->at[2].ret->status, 302);
    cr_assert(p->at[2].ret->redirect);
    cr_assert_eq(p->at[3].ret->status, 302);
    cr_assert_eq(p->at[4].ret->status, 444);
    cr_assert_eq(p->at[5].ret->status, 308);
    cr_assert(p->at[5].ret->redirect);
    config_free(c);
}

Test(rewrite, rewrites_have_flags_and_may_drop_arguments)
{
    static const struct { const char *text; int flag; bool drop; } rows[] = {
        {"^/a /b", REWRITE_NONE, false},
        {"^/a /b? last", REWRITE_LAST, true},
        {"^/a /b?x=1 break", REWRITE_BREAK, false},
        {"^/a /b redirect", REWRITE_REDIRECT, false},
        {"^/a /b permanent", REWRITE_PERMANENT, false},
        {"^/a https://h/$1?", REWRITE_REDIRECT, true},
        {"^/a $scheme://h/ last", REWRITE_REDIRECT, false},
        {"^/a http://h/ permanent", REWRITE_PERMANENT, false},
    };

    for (size_t i = 0; i < array_len(rows); i++) {
        const struct program *p;
        char text[96];
        snprintf(text, sizeof(text), "rewrite %s;", rows[i].text);
        struct config *c = load_program(text, &p);
        cr_expect_eq((int)p->at[0].flag, rows[i].flag, "%s", rows[i].text);
        cr_expect_eq(p->at[0].drop_args, rows[i].drop, "%s", rows[i].text);
        cr_expect_not(sv_ends(p->at[0].replacement->source, SV("?")), "%s", rows[i].text);
        config_free(c);
    }
}

Test(rewrite, refuses_what_nginx_refuses_in_its_words)
{
    static const struct refused rows[] = {
        {"server { set a 1; }", "invalid variable name \"a\" in ", 3},
        {"server { set $host 1; }", "the duplicate \"host\" variable in ", 3},
        {"server { return abc; }", "invalid return code \"abc\" in ", 3},
        {"server { return 1000; }", "invalid return code \"1000\" in ", 3},
        {"server { rewrite a \"\"; }", "empty replacement in ", 3},
        {"server { rewrite a b c; }", "invalid parameter \"c\" in ", 3},
        {"server { rewrite ( b; }", "pcre2_compile() failed: ", 3},
        {"server { if $host { } }", "invalid condition \"$host\" in ", 3},
        {"server { if ($host { } }", "invalid condition \"$host\" in ", 3},
        {"server { if () { } }", "invalid condition \")\" in ", 3},
        {"server { if ( ) { } }", "invalid condition \")\" in ", 3},
        {"server { if (host) { } }", "invalid condition \"host\" in ", 3},
        {"server { if ($host =) { } }", "invalid condition \"$host\" in ", 3},
        {"server { if ($host == a) { } }", "unexpected \"==\" in condition in ", 3},
        {"server { if (-z /x) { } }", "invalid condition \"-z\" in ", 3},
        {"server { if (-f) { } }", "invalid condition \"-f\" in ", 3},
        {"server { if ($host = a b) { } }", "invalid condition \"$host\" in ", 3},
        {"server { if ($host) { root /x; } }", "\"root\" directive is not allowed here in ", 3},
        {"server { if ($a) { } }", "unknown \"a\" variable in ", 3},
        {"server { location / { if ($host) { if ($uri) { } } } }",
         "\"if\" directive is not allowed here in ", 3},
    };

    check_refused_http(rows, array_len(rows));
}
