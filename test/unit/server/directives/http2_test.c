// SPDX-License-Identifier: Apache-2.0
//
// http2 and http2_*: defaults, what reaches which field, nginx's bounds and messages, and the
// limits of floods, which are ours.
#include "test/unit/server/directives/load_fixture.h"

#include <criterion/redirect.h>

static const struct http2_conf *server(const struct config *c, unsigned n)
{
    return &c->http->servers[n]->http2;
}

// What was said on standard error since the redirection.
static const char *warnings(void)
{
    static char text[8192];

    fflush(stderr);
    size_t n = fread(text, 1, sizeof(text) - 1, cr_get_redirected_stderr());
    text[n] = '\0';
    return text;
}

static void assert_floods(const struct http2_flood_limits *f, int64_t resets, int64_t control,
                          int64_t empty, int64_t continuations, int64_t interval_ms)
{
    cr_assert_eq(f->resets, resets);
    cr_assert_eq(f->control, control);
    cr_assert_eq(f->empty, empty);
    cr_assert_eq(f->continuations, continuations);
    cr_assert_eq(f->interval_ms, interval_ms);
}

Test(http2, everything_has_a_default)
{
    struct config *c = load_http("server {}");
    const struct http2_conf *h = server(c, 0);

    cr_assert_eq(h->on, 0);
    cr_assert_eq(h->max_concurrent_streams, 128);
    assert_floods(&h->floods, 200, 1000, 100, 8, 10000);
    cr_assert_eq(c->http->http2_recv_buffer_size, 256 << 10);
    cr_assert_eq(c->http->servers[0]->location->http2_chunk_size, HTTP2_FRAME_MAX);
    cr_assert_not(c->http->listens->http2);
    config_free(c);
}

Test(http2, every_directive_reaches_its_field)
{
    const struct location_conf *l;
    struct config *c = load_server("http2 on; http2_max_concurrent_streams 7;\n"
                                   "http2_chunk_size 16k; http2_pool_size 112;\n"
                                   "http2_body_preread_size 0; http2_streams_index_size 1;\n"
                                   "http2_flood_limits resets=1 control=2 empty=3\n"
                                   "continuations=4 interval=5s;", &l);

    cr_assert_eq(server(c, 0)->on, 1);
    cr_assert_eq(server(c, 0)->max_concurrent_streams, 7);
    cr_assert_eq(l->http2_chunk_size, 16384);
    assert_floods(&server(c, 0)->floods, 1, 2, 3, 4, 5000);
    config_free(c);
    c = load_http("http2_recv_buffer_size 17; server {}");
    cr_assert_eq(c->http->http2_recv_buffer_size, 17);
    config_free(c);
}

Test(http2, what_is_larger_than_the_protocol_allows_is_the_largest)
{
    const struct location_conf *l;
    struct config *c = load_server("http2_chunk_size 20m; http2_max_concurrent_streams 9999999999;",
                                   &l);

    cr_assert_eq(l->http2_chunk_size, (1 << 24) - 1);
    cr_assert_eq(server(c, 0)->max_concurrent_streams, INT32_MAX);
    config_free(c);
}

Test(http2, servers_and_locations_inherit)
{
    struct config *c = load_http("http2 on; http2_max_concurrent_streams 3; http2_chunk_size 1k;\n"
                                 "server { location / { http2_chunk_size 2k; } }\n"
                                 "server { listen 81; http2 off; http2_chunk_size 3k; }");

    cr_assert(server(c, 0)->on && !server(c, 1)->on);
    cr_assert_eq(server(c, 1)->max_concurrent_streams, 3);
    cr_assert_eq(c->http->servers[0]->location->http2_chunk_size, 1024);
    cr_assert_eq(c->http->servers[0]->locations->prefixes[0]->http2_chunk_size, 2048);
    cr_assert_eq(c->http->servers[1]->location->http2_chunk_size, 3072);
    config_free(c);
}

Test(http2, a_level_that_limits_floods_says_all_of_it)
{
    struct config *c = load_http("http2_flood_limits resets=5 control=6;\n"
                                 "server {}\n"
                                 "server { listen 81; http2_flood_limits empty=7; }");

    assert_floods(&server(c, 0)->floods, 5, 6, 100, 8, 10000);
    assert_floods(&server(c, 1)->floods, 200, 1000, 7, 8, 10000);
    config_free(c);
}

Test(http2, obsolete_directives_get_the_warning_of_nginx_and_change_nothing)
{
    static const struct {
        const char *name, *instead;
    } rows[] = {
        {"http2_recv_timeout", "client_header_timeout"},
        {"http2_idle_timeout", "keepalive_timeout"},
        {"http2_max_requests", "keepalive_requests"},
        {"http2_max_field_size", "large_client_header_buffers"},
        {"http2_max_header_size", "large_client_header_buffers"},
        {"http2_max_concurrent_pushes", NULL},
        {"http2_push", NULL},
        {"http2_push_preload", NULL},
    };
    char all[1024] = "server {\n", line[256];

    cr_redirect_stderr();
    for (size_t i = 0; i < array_len(rows); i++) { // twice: none of them is ever a duplicate
        snprintf(line, sizeof(line), "%s 1; %s 1;\n", rows[i].name, rows[i].name);
        strcat(all, line);
    }
    strcat(all, "}");
    struct config *c = load_http(all);
    const char *said = warnings();
    for (size_t i = 0; i < array_len(rows); i++) {
        snprintf(line, sizeof(line), "the \"%s\" directive is obsolete, ", rows[i].name);
        const char *at = strstr(said, line);
        cr_assert_not_null(at, "%s: %s", rows[i].name, said);
        at += strlen(line);
        if (rows[i].instead != NULL)
            snprintf(line, sizeof(line), "use the \"%s\" directive instead in ", rows[i].instead);
        else
            snprintf(line, sizeof(line), "ignored in ");
        cr_assert_eq(strncmp(at, line, strlen(line)), 0, "%s: %s", rows[i].name, at);
    }
    cr_assert_eq(c->http->servers[0]->location->keepalive_requests, 1000);
    config_free(c);
}

Test(http2, refuses_what_nginx_refuses_in_its_words)
{
    static const struct refused rows[] = {
        {"http2 maybe;", "invalid value \"maybe\" in \"http2\" directive, it must be \"on\" ", 3},
        {"server { location / { http2 on; } }", "\"http2\" directive is not allowed here in ", 3},
        {"http2 on; http2 on;", "\"http2\" directive is duplicate in ", 3},
        {"http2_max_concurrent_streams x;",
         "\"http2_max_concurrent_streams\" directive invalid number in ", 3},
        {"http2_recv_buffer_size 16;",
         "\"http2_recv_buffer_size\" directive value is too small in ", 3},
        {"http2_recv_buffer_size x;", "\"http2_recv_buffer_size\" directive invalid value in ", 3},
        {"server { http2_recv_buffer_size 1k; }",
         "\"http2_recv_buffer_size\" directive is not allowed here in ", 3},
        {"http2_chunk_size 0;", "the http2 chunk size cannot be zero in ", 3},
        {"http2_pool_size 96;", "the pool size must be no less than 112 in ", 3},
        {"http2_pool_size 113;", "the pool size must be a multiple of 16 in ", 3},
        {"http2_body_preread_size 2048m;",
         "the maximum body preread buffer size is 2147483647 in ", 3},
        {"http2_streams_index_size 0;",
         "\"http2_streams_index_size\" directive must be a power of two in ", 3},
        {"http2_streams_index_size 12;",
         "\"http2_streams_index_size\" directive must be a power of two in ", 3},
        {"http2_recv_timeout;", "invalid number of arguments in \"http2_recv_timeout\" ", 3},
        {"server { location / { http2_idle_timeout 1; } }",
         "\"http2_idle_timeout\" directive is not allowed here in ", 3},
    };

    check_refused_http(rows, array_len(rows));
}

Test(http2, no_flood_limit_can_be_taken_away)
{
    static const struct refused rows[] = {
        {"http2_flood_limits resets=0;", "invalid value \"resets=0\" in ", 3},
        {"http2_flood_limits control=0;", "invalid value \"control=0\" in ", 3},
        {"http2_flood_limits empty=0;", "invalid value \"empty=0\" in ", 3},
        {"http2_flood_limits continuations=0;", "invalid value \"continuations=0\" in ", 3},
        {"http2_flood_limits interval=0;", "invalid value \"interval=0\" in ", 3},
        {"http2_flood_limits resets=off;", "invalid value \"resets=off\" in ", 3},
        {"http2_flood_limits resets=-1;", "invalid value \"resets=-1\" in ", 3},
        {"http2_flood_limits resets=2147483648;", "invalid value \"resets=2147483648\" in ", 3},
        {"http2_flood_limits resets=;", "invalid value \"resets=\" in ", 3},
        {"http2_flood_limits off;", "invalid parameter \"off\" in ", 3},
        {"http2_flood_limits;", "invalid number of arguments in \"http2_flood_limits\" ", 3},
        {"http2_flood_limits empty=1; http2_flood_limits resets=1;",
         "\"http2_flood_limits\" directive is duplicate in ", 3},
        {"server { location / { http2_flood_limits empty=1; } }",
         "\"http2_flood_limits\" directive is not allowed here in ", 3},
    };

    check_refused_http(rows, array_len(rows));
}

Test(http2, said_with_listen_it_is_for_the_address_and_deprecated)
{
    cr_redirect_stderr();
    struct config *c = load_http("server { listen 81 http2; }\n"
                                 "server { listen 81; }\n"
                                 "server { listen 82; http2 on; }");
    const char *said = warnings();

    cr_assert(c->http->listens->http2);
    cr_assert_not(c->http->listens->next->http2);
    cr_assert_eq(server(c, 0)->on, 0);
    cr_assert_not_null(strstr(said, "the \"listen ... http2\" directive is deprecated, use the "
                                    "\"http2\" directive instead in "), "%s", said);
    config_free(c);
}

// The rules are those of nginx, worked out from its source, with what seems odd in them.
Test(http2, lines_of_an_address_that_differ_get_the_warning_of_nginx)
{
    static const struct {
        const char *first, *second, *third;
        bool warns;
    } rows[] = {
        {"http2", "http2", "http2", false},        {"http2", "", "", false},
        {"ssl http2", "", "", false},              {"", "", "ssl http2", false},
        {"ssl", "", "http2", true},                {"ssl", "ssl", "ssl http2", false},
        {"ssl", "ssl http2", "ssl", false},        {"ssl", "ssl http2", "", true},
        {"ssl http2", "ssl", "ssl", false},        {"ssl http2", "ssl", "http2", true},
        {"http2", "ssl", "", true},                {"", "ssl http2", "ssl http2", true},
        {"http2 backlog=5", "ssl http2", "", true}, {"ssl http2 backlog=5", "", "", false},
        {"", "ssl http2 backlog=5", "", false},    {"ssl http2", "ssl backlog=5", "", true},
    };

    cr_redirect_stderr();
    for (size_t i = 0; i < array_len(rows); i++) {
        char all[512];
        snprintf(all, sizeof(all), "ssl_certificate c.pem; ssl_certificate_key k.pem;\n"
                 "server { listen 4%02zu %s; }\nserver { listen 4%02zu %s; }\n"
                 "server { listen 4%02zu %s; }", i, rows[i].first, i, rows[i].second, i,
                 rows[i].third);
        config_free(load_http(all));
    }
    const char *said = warnings();
    for (size_t i = 0; i < array_len(rows); i++) {
        char line[64];
        snprintf(line, sizeof(line), "protocol options redefined for 0.0.0.0:4%02zu in", i);
        cr_expect_eq(strstr(said, line) != NULL, rows[i].warns, "row %zu", i);
    }
}
