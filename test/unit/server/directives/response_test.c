// SPDX-License-Identifier: Apache-2.0
//
// add_header, expires, error_page, keep-alive, limits, access rules and stub_status.
#include "test/unit/server/directives/load_fixture.h"

#include "server/handlers/handlers.h"
#include "server/config/location_set.h"
#include "server/vars/vars.h"

static const struct location_conf *find(const struct config *c, const char *path)
{
    struct location_match m = {.location = NULL};

    location_set_find(c->http->servers[0]->locations, sv_from(path), &m);
    return m.location;
}

Test(add_header, a_level_with_its_own_inherits_none)
{
    struct config *c = load_http("add_header A 1; server { add_header B $host always;\n"
                                 "add_header C 3; location /a { }\n"
                                 "location /b { add_header D 4; } }");
    const struct header_row *h = find(c, "/a")->headers;

    assert_sv(h->name, "B");
    cr_assert(h->always);
    cr_assert_not(h->value->constant);
    assert_sv(h->next->name, "C");
    cr_assert_not(h->next->always);
    cr_assert_null(h->next->next);
    assert_sv(find(c, "/b")->headers->name, "D");
    cr_assert_null(find(c, "/b")->headers->next);
    config_free(c);
}

Test(expires, every_form)
{
    static const struct { const char *text; enum expires_mode mode; int64_t seconds; } rows[] = {
        {"off", EXPIRES_OFF, 0},       {"epoch", EXPIRES_EPOCH, 0}, {"max", EXPIRES_MAX, 0},
        {"30d", EXPIRES_ACCESS, 2592000}, {"-1", EXPIRES_ACCESS, -1},
        {"@15h30m", EXPIRES_DAILY, 55800}, {"modified +1h", EXPIRES_MODIFIED, 3600},
    };

    for (size_t i = 0; i < array_len(rows); i++) {
        const struct location_conf *l;
        char text[64];
        snprintf(text, sizeof(text), "expires %s;", rows[i].text);
        struct config *c = load_server(text, &l);
        cr_expect_eq(l->expires->mode, rows[i].mode, "%s", rows[i].text);
        cr_expect_eq(l->expires->seconds, rows[i].seconds, "%s", rows[i].text);
        config_free(c);
    }
}

Test(expires, a_variable_is_read_later)
{
    const struct location_conf *l;
    struct config *c = load_server("expires modified $arg_e;", &l);

    assert_sv(l->expires->value->source, "$arg_e");
    cr_assert_eq(l->expires->mode, EXPIRES_MODIFIED);
    config_free(c);
}

Test(error_page, every_form)
{
    const struct location_conf *l;
    struct config *c = load_server("error_page 404 403 /x.html; error_page 500 =200 /y;\n"
                                   "error_page 502 = @z; error_page 494 http://h/;", &l);
    const struct error_page *p = l->error_pages;

    cr_assert_eq(p->status, 404);
    cr_assert_eq(p->overwrite, -1);
    p = p->next;
    cr_assert_eq(p->status, 403);
    assert_sv(p->uri->literal, "/x.html");
    p = p->next;
    cr_assert_eq(p->overwrite, 200);
    p = p->next;
    cr_assert_eq(p->overwrite, 0);
    cr_assert(p->named);
    p = p->next;
    cr_assert_eq(p->status, 494);
    cr_assert_eq(p->overwrite, 400);
    cr_assert_null(p->next);
    config_free(c);
}

Test(connection, times_and_sizes_reach_their_fields)
{
    const struct location_conf *l;
    struct config *c = load_server("keepalive_timeout 10s 20s; keepalive_disable safari;\n"
                                   "client_max_body_size 1g; lingering_close always;\n"
                                   "limit_rate $arg_r; limit_rate_after 64k; server_tokens build;\n"
                                   "keepalive_min_timeout 2s; reset_timedout_connection on;\n"
                                   "if_modified_since before;", &l);

    cr_assert_eq(l->keepalive_timeout, 10000);
    cr_assert_eq(l->keepalive_header_s, 20);
    cr_assert_eq(l->keepalive_min_timeout, 2000);
    cr_assert_eq(l->keepalive_disable, KEEPALIVE_NO_SAFARI);
    cr_assert_eq(l->client_max_body_size, 1 << 30);
    cr_assert_eq(l->lingering_close, LINGER_ALWAYS);
    assert_sv(l->limit_rate->source, "$arg_r");
    assert_sv(l->limit_rate_after->literal, "64k");
    cr_assert_eq(l->server_tokens, 2);
    cr_assert_eq(l->reset_timedout_connection, 1);
    cr_assert_eq(l->if_modified_since, IMS_BEFORE);
    config_free(c);
}

Test(access, rules_keep_their_order_and_replace_inherited_ones)
{
    struct config *c = load_http("deny all; server { allow 10.0.0.0/8; allow ::1; allow unix:;\n"
                                 "deny all; location / { } location /x { allow all; } }");
    const struct access_rule *r = find(c, "/")->access_rules;

    cr_assert(!r->deny && r->prefix.family == AF_INET && r->prefix.bits == 8);
    r = r->next;
    cr_assert(r->prefix.family == AF_INET6 && r->prefix.bits == 128);
    r = r->next;
    cr_assert(r->unix_socket);
    r = r->next;
    cr_assert(r->deny && r->all);
    cr_assert_null(r->next);
    r = find(c, "/x")->access_rules;
    cr_assert(r->all && !r->deny && r->next == NULL);
    config_free(c);
}

Test(stub_status, replaces_the_content_of_its_location_only)
{
    struct config *c = load_http("server { location /s { stub_status; location /s/t { } } }");

    cr_assert_eq(find(c, "/s")->content, handler_stub_status);
    cr_assert_null(find(c, "/s/t")->content);
    config_free(c);
}

Test(status, its_word_fixes_the_form)
{
    struct config *c = load_http("server { location /a { status; } location /j { status json; }\n"
                                 "location /p { status prometheus; location /p/q { } } }");

    cr_assert_eq(find(c, "/a")->content, handler_status);
    cr_assert_eq(find(c, "/j")->content, handler_status_json);
    cr_assert_eq(find(c, "/p")->content, handler_status_prometheus);
    cr_assert_null(find(c, "/p/q")->content);
    config_free(c);
}

Test(status, refuses_other_forms_and_places)
{
    static const struct refused rows[] = {
        {"server { location / { status xml; } }", "invalid parameter \"xml\" in ", 3},
        {"server { status; }", "\"status\" directive is not allowed here in ", 3},
    };

    check_refused_http(rows, array_len(rows));
}

Test(response, refuses_what_nginx_refuses_in_its_words)
{
    static const struct refused rows[] = {
        {"add_header A 1 never;", "invalid parameter \"never\" in ", 3},
        {"expires tomorrow;", "\"expires\" directive invalid value in ", 3},
        {"expires changed 1h;", "\"expires\" directive invalid value in ", 3},
        {"expires modified @1h;", "\"expires\" directive daily time cannot be used with ", 3},
        {"expires 1d; expires 2d;", "\"expires\" directive is duplicate in ", 3},
        {"error_page 200 /x;", "value \"200\" must be between 300 and 599 in ", 3},
        {"error_page 499 /x;", "invalid value \"499\" in ", 3},
        {"error_page abc /x;", "invalid value \"abc\" in ", 3},
        {"error_page =200 /x;", "invalid value \"=200\" in ", 3},
        {"error_page 404 =x /x;", "invalid value \"=x\" in ", 3},
        {"error_page 404;", "invalid number of arguments in \"error_page\" directive in ", 3},
        {"keepalive_timeout soon;", "\"keepalive_timeout\" directive invalid value in ", 3},
        {"keepalive_disable opera;", "invalid value \"opera\" in ", 3},
        {"limit_rate fast;", "\"limit_rate\" directive invalid value in ", 3},
        {"allow here;", "invalid parameter \"here\" in ", 3},
        {"deny 10.0.0.0/33;", "invalid parameter \"10.0.0.0/33\" in ", 3},
        {"satisfy any;", "\"satisfy any\" is not supported: ", 3},
        {"satisfy most;", "invalid value \"most\" in ", 3},
        {"stub_status;", "\"stub_status\" directive is not allowed here in ", 3},
    };

    check_refused_http(rows, array_len(rows));
}
