// SPDX-License-Identifier: Apache-2.0
//
// http, server, location and how levels inherit.
#include "test/unit/server/directives/load_fixture.h"

#include "server/config/location_set.h"

static const struct location_conf *find(const struct config *c, const char *path)
{
    struct location_match m = {.location = NULL};

    location_set_find(c->http->servers[0]->locations, sv_from(path), &m);
    return m.location;
}

Test(blocks, a_typical_configuration_loads)
{
    struct config *c = load_http("server { listen 8080; server_name a; root /srv;\n"
                                 " location / { expires 1d; }\n"
                                 " location = /x { return 204; }\n"
                                 " location ~* \\.mp4$ { add_header X y always; }\n"
                                 " location @named { return 404; }\n"
                                 "}");

    cr_assert_eq(c->http->nservers, 1);
    cr_assert_eq(c->http->nlistens, 1);
    assert_sv(c->http->servers[0]->name, "a");
    cr_assert_eq(find(c, "/y")->kind, LOC_PREFIX);
    cr_assert_eq(find(c, "/x")->kind, LOC_EXACT);
    cr_assert_eq(find(c, "/a.MP4")->kind, LOC_REGEX);
    assert_sv(find(c, "/y")->root->literal, "/srv");
    cr_assert_eq(find(c, "/y")->expires->seconds, 86400);
    cr_assert_null(find(c, "/x")->expires);
    config_free(c);
}

Test(blocks, modifiers_may_touch_the_name)
{
    struct config *c = load_http("server { location =/e {} location ^~/f/ {}\n"
                                 "location ~\\.ts$ {} }");

    cr_assert_eq(find(c, "/e")->kind, LOC_EXACT);
    cr_assert_eq(find(c, "/f/a.ts")->kind, LOC_PREFIX_FINAL);
    cr_assert_eq(find(c, "/g.ts")->kind, LOC_REGEX);
    config_free(c);
}

Test(blocks, nested_locations_inherit_from_the_one_around_them)
{
    struct config *c = load_http("etag off; server { max_ranges 3;\n"
                                 " location /a/ { default_type a/b;\n"
                                 " location /a/b/ { etag on; } } }");
    const struct location_conf *outer = find(c, "/a/x"), *inner = find(c, "/a/b/x");

    cr_assert_neq(outer, inner);
    cr_assert_eq(outer->etag, 0);
    cr_assert_eq(inner->etag, 1);
    cr_assert_eq(inner->max_ranges, 3);
    assert_sv(inner->default_type, "a/b");
    config_free(c);
}

Test(blocks, servers_inherit_from_http_and_not_from_each_other)
{
    struct config *c = load_http("client_header_timeout 7s; large_client_header_buffers 2 1k;\n"
                                 "server { listen 1; max_headers 5; merge_slashes off; }\n"
                                 "server { listen 2; client_header_timeout 9s; }");
    const struct server_conf *a = c->http->servers[0], *b = c->http->servers[1];

    cr_assert_eq(a->client_header_timeout, 7000);
    cr_assert_eq(b->client_header_timeout, 9000);
    cr_assert_eq(a->max_headers, 5);
    cr_assert_eq(b->max_headers, 1000);
    cr_assert_eq(a->merge_slashes, 0);
    cr_assert_eq(b->merge_slashes, 1);
    cr_assert_eq(b->large_buffer_count, 2);
    cr_assert_eq(b->large_buffer_size, 1024);
    config_free(c);
}

Test(blocks, defaults_are_those_of_nginx)
{
    const struct location_conf *l;
    struct config *c = load_server("", &l);
    const struct server_conf *s = c->http->servers[0];

    cr_assert_eq(s->client_header_timeout, 60000);
    cr_assert_eq(s->client_header_buffer_size, 1024);
    cr_assert_eq(s->large_buffer_count, 4);
    cr_assert_eq(s->large_buffer_size, 8192);
    cr_assert_eq(s->ignore_invalid_headers, 1);
    cr_assert_eq(s->underscores_in_headers, 0);
    assert_sv(s->name, "");
    assert_sv(l->root->literal, FIXTURE_PREFIX "html");
    assert_sv(l->index[0]->literal, "index.html");
    cr_assert_null(l->index[1]);
    assert_sv(l->default_type, "text/plain");
    cr_assert_eq(l->keepalive_timeout, 75000);
    cr_assert_eq(l->keepalive_header_s, 0);
    cr_assert_eq(l->keepalive_requests, 1000);
    cr_assert_eq(l->keepalive_time, 3600000);
    cr_assert_eq(l->send_timeout, 60000);
    cr_assert_eq(l->client_max_body_size, 1 << 20);
    cr_assert_eq(l->lingering_close, LINGER_ON);
    cr_assert_eq(l->lingering_time, 30000);
    cr_assert_eq(l->lingering_timeout, 5000);
    cr_assert_eq(l->sendfile, 0);
    cr_assert_eq(l->sendfile_max_chunk, 2 << 20);
    cr_assert_eq(l->tcp_nodelay, 1);
    cr_assert_eq(l->server_tokens, 1);
    cr_assert_eq(l->if_modified_since, IMS_EXACT);
    cr_assert_null(l->headers);
    cr_assert_null(l->error_pages);
    cr_assert_null(l->access_rules);
    cr_assert_null(l->limit_rate);
    cr_assert_null(l->open_file_cache);
    cr_assert_null(l->error_log);
    cr_assert_null(l->charset.name);
    cr_assert_eq(l->gzip.on, 0);
    config_free(c);
}

Test(blocks, a_configuration_without_servers_loads)
{
    struct config *c = load_http("");

    cr_assert_eq(c->http->nservers, 0);
    cr_assert_eq(c->http->nlistens, 0);
    config_free(c);
}

Test(blocks, named_captures_become_variables)
{
    struct config *c = load_http("server { location ~ ^/(?<who>[^/]+)/ { return 200 $who; } }");
    const struct location_conf *l = find(c, "/x/");

    cr_assert_eq(l->regex->nnamed, 1);
    assert_sv(l->captures[0]->name, "who");
    config_free(c);
}

Test(blocks, refuses_what_nginx_refuses_in_its_words)
{
    static const struct refused rows[] = {
        {"server { location ! /x {} }", "invalid location modifier \"!\" in ", 3},
        {"server { location = /a { location /a/b {} } }",
         "location \"/a/b\" cannot be inside the exact location \"/a\" in ", 3},
        {"server { location @a { location /b {} } }",
         "location \"/b\" cannot be inside the named location \"@a\" in ", 3},
        {"server { location /a { location @b {} } }",
         "named location \"@b\" can be on the server level only in ", 3},
        {"server { location /a { location /b {} } }",
         "location \"/b\" is outside location \"/a\" in ", 3},
        {"server { location /a {}\nlocation /a {} }", "duplicate location \"/a\" in ", 4},
        {"server { location ~ ( {} }", "pcre2_compile() failed: ", 3},
        {"server { return 200 $nonesuch; }", "unknown \"nonesuch\" variable in ", 3},
        {"server {\netag on;\netag off; }", "\"etag\" directive is duplicate in ", 5},
        {"location / {}", "\"location\" directive is not allowed here in ", 3},
        {"server { location / }", "unexpected \"}\" in ", 3},
        {"server { location /; }", "directive \"location\" has no opening \"{\" in ", 3},
        {"server { etag; }", "invalid number of arguments in \"etag\" directive in ", 3},
        {"server { server_tokens no; }", "invalid value \"no\" in ", 3},
        {"server { large_client_header_buffers 0 1k; }",
         "\"large_client_header_buffers\" directive invalid value in ", 3},
    };

    check_refused_http(rows, array_len(rows));
}
