// SPDX-License-Identifier: Apache-2.0
#include "server/vars/vars.h"

#include <stdio.h>

#include "lib/base/clock.h"
#include "test/unit/server/vars/expect.h"

static struct fixture *f;

static void set_up(void)
{
    f = fixture_new();
    f->location.root = fixture_template(f, "/srv/www/");
}

static void tear_down(void)
{
    fixture_free(f);
}

TestSuite(vars, .init = set_up, .fini = tear_down);

#define expect_empty(name)                                                                  \
    do {                                                                                    \
        struct sv got_;                                                                     \
        cr_assert(fixture_read(f, name, &got_), "$%s is not found", name);                  \
        cr_assert_eq(got_.n, 0);                                                            \
    } while (0)

static const char head[] = "GET /a%20b//c/./d.mp4?x=1&Y=two&empty= HTTP/1.1\r\n"
                           "Host: WWW.Example.com:8443\r\n"
                           "X-Trace: one\r\n"
                           "x-trace: two\r\n"
                           "Cookie: a=1; sid = s-1 ;b=2\r\n"
                           "Cookie: last=3\r\n"
                           "Content-Type: text/x\r\n"
                           "Content-Length: 12\r\n"
                           "Referer: \r\n"
                           "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"
                           "\r\n";

Test(vars, request_line_and_target)
{
    fixture_head(f, head);
    expect("$uri", "/a b/c/d.mp4");
    expect("$document_uri", "/a b/c/d.mp4");
    expect("$request_uri", "/a%20b//c/./d.mp4?x=1&Y=two&empty=");
    expect("$request", "GET /a%20b//c/./d.mp4?x=1&Y=two&empty= HTTP/1.1");
    expect("$request_method", "GET");
    expect("$server_protocol", "HTTP/1.1");
    expect("$args", "x=1&Y=two&empty=");
    expect("$query_string", "x=1&Y=two&empty=");
    expect("$is_args", "?");
    expect("$scheme", "http");
}

Test(vars, arguments)
{
    fixture_head(f, head);
    expect("$arg_x", "1");
    expect("$arg_y", "two");
    expect_empty("arg_empty");
    expect_none("arg_missing");
    expect_none("arg_");
}

Test(vars, set_args_changes_what_args_and_arg_say)
{
    fixture_head(f, head);
    const struct var *args = var_refer(&f->http.vars, SV("args"), NULL);

    vars_assign(f->r, args, SV("z=9"));
    expect("$args|$arg_z|$arg_x", "z=9|9|");
    vars_assign(f->r, args, sv_of(NULL, 0));
    expect_empty("args");
    expect_empty("is_args");
}

Test(vars, without_a_query_args_are_not_found)
{
    fixture_head(f, "GET / HTTP/1.0\r\n\r\n");
    expect_none("args");
    expect_none("query_string");
    fixture_head(f, "GET /? HTTP/1.0\r\n\r\n");
    expect_none("args");
    expect_empty("is_args");
    expect("$server_protocol", "HTTP/1.0");
    expect("$host", "server.example");
    expect_empty("request_port");
    expect_empty("is_request_port");
}

Test(vars, request_that_was_not_understood_is_shown_as_it_came)
{
    f->r->head = arena_strndup(&f->r->arena, "\x16\x03 garbage\r\nmore", 16);
    f->r->head_len = 16;
    expect("$request", "\x16\x03 garbage");
    expect_none("request_method");
    expect_none("request_uri");
    expect_none("server_protocol");
    f->r->head_len = 0;
    expect_none("request");
}

Test(vars, host_and_server)
{
    char host[256] = "";

    fixture_head(f, head);
    expect("$host", "www.example.com");
    expect("$http_host", "WWW.Example.com:8443");
    expect("$request_port", "8443");
    expect("$is_request_port", ":");
    expect("$server_name", "server.example");
    cr_assert(sv_starts(fixture_eval(f, "$nginx_version"), SV("1.")));
    gethostname(host, sizeof(host) - 1);
    cr_assert(sv_eq_nocase(fixture_eval(f, "$hostname"), sv_from(host)));
}

Test(vars, request_headers)
{
    fixture_head(f, head);
    expect("$http_x_trace", "one, two");
    expect("$HTTP_X_TRACE", "one, two");
    expect_empty("http_referer");
    expect_none("http_user_agent");
    expect("$content_type", "text/x");
    expect("$content_length", "12");
    expect("$http_content_length", "12");
}

Test(vars, cookies)
{
    fixture_head(f, head);
    expect("$http_cookie", "a=1; sid = s-1 ;b=2; last=3");
    expect("$cookie_a,$cookie_b,$cookie_last", "1,2,3");
    expect("$cookie_sid", "s-1 ");
    expect_none("cookie_c");
    expect_none("cookie_las");
}

Test(vars, remote_user)
{
    fixture_head(f, head);
    expect("$remote_user", "Aladdin");
}

Test(vars, remote_user_of_broken_credentials_is_not_found)
{
    static const char *const values[] = {"Basic", "Basic ", "Basic !!!!", "Basic QWxhZGRpbg==",
                                         "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Basic Q"};
    char text[256];

    for (size_t i = 0; i < array_len(values); i++) {
        snprintf(text, sizeof(text), "GET / HTTP/1.0\r\nAuthorization: %s\r\n\r\n", values[i]);
        fixture_head(f, text);
        expect_none("remote_user");
    }
    fixture_head(f, "GET / HTTP/1.0\r\nAuthorization: basic  YTpi\r\n\r\n");
    expect("$remote_user", "a");
}

Test(vars, connection_ends)
{
    struct sockaddr_in addr;
    socklen_t n = sizeof(addr);
    char port[8];

    cr_assert_eq(getsockname(f->client, (struct sockaddr *)&addr, &n), 0);
    snprintf(port, sizeof(port), "%u", ntohs(addr.sin_port));
    expect("$remote_addr", "127.0.0.1");
    expect("$remote_port", port);
    expect("$server_addr", "127.0.0.1");
    snprintf(port, sizeof(port), "%u", net_address_port(&f->listen.address));
    expect("$server_port", port);
    struct sv binary = fixture_eval(f, "$binary_remote_addr");
    cr_assert(sv_eq(binary, SV("\x7f\0\0\1")));
}

Test(vars, wildcard_listener_says_which_address_was_meant)
{
    f->listen.address.in.sin_addr.s_addr = htonl(INADDR_ANY);
    expect("$server_addr", "127.0.0.1");
}

Test(vars, all_of_an_ipv4_address_is_written)
{
    f->conn.peer_known = true;
    f->conn.peer.in = (struct sockaddr_in){.sin_family = AF_INET,
                                           .sin_addr.s_addr = htonl(0xc0000aff)};
    expect("$remote_addr", "192.0.10.255");
}

Test(vars, ipv6_and_unix_peers)
{
    f->conn.peer_known = true;
    f->conn.peer.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
                                             .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                                             .sin6_port = htons(77)};
    expect("$remote_addr:$remote_port", "::1:77");
    cr_assert_eq(fixture_eval(f, "$binary_remote_addr").n, 16);
    f->conn.peer.sa.sa_family = 0;
    expect("$remote_addr|$binary_remote_addr", "unix:|unix:");
    expect_empty("remote_port");
}

Test(vars, connection_numbers_and_tcp_info)
{
    struct sv rtt, window;

    f->conn.start_ms = clock_mono_ms() - 1005;
    f->stats.active = 7;
    expect("$connection/$connection_requests", "42/3");
    expect("$connection_time", "1.005");
    cr_assert(fixture_read(f, "tcpinfo_rtt", &rtt) && fixture_read(f, "tcpinfo_snd_cwnd", &window));
    cr_assert_gt(atoi(rtt.p), 0);
    cr_assert_gt(atoi(window.p), 0);
    close(f->conn.fd);
    f->conn.fd = -1;
    expect_none("tcpinfo_rtt");
}

Test(vars, files)
{
    fixture_head(f, head);
    f->r->lookup.symlinks_from = 3;
    expect("$document_root", "/srv/www");
    expect("$request_filename", "/srv/www/a b/c/d.mp4");
    cr_assert_eq(f->r->lookup.symlinks_from, 3);
    f->location.root = fixture_template(f, "html");
    expect("$document_root", "/prefix/html");
    f->location.root = fixture_template(f, "/usr/../tmp/.");
    expect("$realpath_root", "/tmp");
    f->location.alias = true;
    f->location.name = SV("/a b/");
    f->location.alias_len = f->location.name.n;
    f->location.root = fixture_template(f, "/other/");
    expect("$document_root $request_filename", "/other/ /other/c/d.mp4");
}

Test(vars, clock)
{
    const struct clock_now *now = clock_now();
    char msec[32];

    snprintf(msec, sizeof(msec), "%lld.%03u", (long long)now->real_s, now->real_ms);
    expect("$msec", msec);
    expect("$time_local", now->log_local);
    expect("$time_iso8601", now->log_iso8601);
    f->r->start_ms = clock_mono_ms() - 61002;
    expect("$request_time", "61.002");
    f->r->start_ms = clock_mono_ms() + 5;
    expect("$request_time", "0.000");
    snprintf(msec, sizeof(msec), "%d", getpid());
    expect("$pid", msec);
}

Test(vars, request_id_is_random_and_stays)
{
    struct sv first = fixture_eval(f, "$request_id");

    cr_assert_eq(first.n, 32);
    cr_assert_eq(strspn(arena_strndup(&f->r->arena, first.p, first.n), "0123456789abcdef"), 32);
    cr_assert(sv_eq(fixture_eval(f, "$request_id"), first));
    f->r->request_id = sv_of(NULL, 0);
    cr_assert_not(sv_eq(fixture_eval(f, "$request_id"), first));
}

Test(vars, accounting)
{
    fixture_head(f, "GET / HTTP/1.0\r\n\r\n");
    expect("$status|$bytes_sent|$body_bytes_sent|$request_completion", "000|0|0|");
    f->r->response.status = 200;
    f->r->response.header_bytes = 100;
    f->r->response.sent_bytes = 90;
    expect("$status|$bytes_sent|$body_bytes_sent", "200|90|0");
    f->r->response.sent_bytes = UINT64_C(5000000100);
    f->r->response.header_sent = true;
    expect("$bytes_sent|$body_bytes_sent|$request_completion", "5000000100|5000000000|OK");
    expect("$request_length", "18");
    f->r->error_status = 404;
    expect("$status", "404");
    expect("$pipe", ".");
    f->r->pipelined = true;
    expect("$pipe", "p");
}

Test(vars, http_0_9_without_a_status_is_009)
{
    f->r->parsed.http_0_9 = true;
    expect("$status", "009");
}

Test(vars, limit_rate_is_assigned_in_units)
{
    const struct var *rate = var_refer(&f->http.vars, SV("limit_rate"), NULL);

    expect("$limit_rate", "0");
    vars_assign(f->r, rate, SV("64k"));
    expect("$limit_rate", "65536");
    cr_assert(f->r->limit_rate_set);
    vars_assign(f->r, rate, SV("fast"));
    expect("$limit_rate", "65536");
}

Test(vars, headers_of_the_response)
{
    struct response *s = &f->r->response;

    expect_none("sent_http_content_type");
    expect_none("sent_http_content_length");
    expect_none("sent_http_last_modified");
    s->status = 200;
    s->content_type = SV("text/html");
    s->charset = SV("utf-8");
    s->content_length = 17;
    s->last_modified = 784111777;
    s->etag = SV("\"abc\"");
    s->location = SV("/there");
    s->accept_ranges = true;
    cr_assert_eq(response_add_header(f->r, SV("Cache-Control"), SV("no-cache")), 0);
    cr_assert_eq(response_add_header(f->r, SV("X-Empty"), SV("")), 0);
    cr_assert_eq(response_add_header(f->r, SV("cache-control"), SV("private")), 0);
    expect("$sent_http_content_type", "text/html; charset=utf-8");
    expect("$sent_http_content_length", "17");
    expect("$sent_http_last_modified", "Sun, 06 Nov 1994 08:49:37 GMT");
    expect("$sent_http_etag", "\"abc\"");
    expect("$sent_http_location", "/there");
    expect("$sent_http_accept_ranges", "bytes");
    expect("$sent_http_cache_control", "no-cache, private");
    expect_none("sent_http_x_empty");
    expect_none("sent_http_transfer_encoding");
    s->status = 304;
    expect_none("sent_http_content_type");
    expect_none("sent_http_content_length");
}

Test(vars, trailers_of_one_name_are_one_value)
{
    expect_none("sent_trailer_x_a");
    cr_assert_eq(response_add_header(f->r, SV("X-A"), SV("header")), 0);
    expect_none("sent_trailer_x_a");
    cr_assert_eq(response_add_trailer(f->r, SV("X-A"), SV("1")), 0);
    expect("$sent_trailer_x_a", "1");
    cr_assert_eq(response_add_trailer(f->r, SV("X-B"), SV("-")), 0);
    cr_assert_eq(response_add_trailer(f->r, SV("x-a"), SV("22")), 0);
    expect("$sent_trailer_x_a $sent_trailer_x_b", "1, 22 -");
    expect("$sent_http_x_a", "header");
}

Test(vars, a_chunked_body_is_said_by_its_header)
{
    f->r->response.chunked = true;
    expect("$sent_http_transfer_encoding", "chunked");
}

Test(vars, http_2_has_nginx_names_for_itself)
{
    fixture_head(f, "GET /p?a=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    expect("<$http2> $server_protocol $request", "<> HTTP/1.1 GET /p?a=1 HTTP/1.1");
    f->r->parsed.http_major = 2;
    f->r->parsed.http_minor = 0;
    expect("$http2 $server_protocol", "h2c HTTP/2.0");
    f->conn.security = CONN_SECURITY_kernel;
    expect("$http2", "h2");
}

// The protocol can refuse a request before it knows what was asked.
Test(vars, http_2_without_method_or_path_has_no_request_line)
{
    f->r->parsed.http_major = 2;
    f->r->request_line = f->r->method_name = sv_of(NULL, 0);
    expect_none("request");
    expect("$server_protocol", "HTTP/2.0");
}

Test(vars, connection_header_is_the_one_that_was_sent)
{
    f->r->keep_alive = true;
    f->location.keepalive_header_s = 20;
    expect("$sent_http_connection $sent_http_keep_alive", "keep-alive timeout=20");
    f->r->response.header_sent = true;
    expect("$sent_http_connection", "close");
    expect_none("sent_http_keep_alive");
}

Test(vars, what_this_program_never_has_is_absent_or_empty)
{
    expect_none("upstream_response_time");
    expect_none("upstream_http_server");
    expect_none("proxy_protocol_addr");
    expect_none("request_body");
    expect_none("gzip_ratio");
    expect_empty("http3");
}

static struct var *slot(const char *name)
{
    struct conf_error error;
    struct conf_node node = {.argv = &SV("set"), .argc = 1};
    return vars_define_slot(&f->http.vars, sv_from(name), &node, &error);
}

Test(vars, set_variable_is_empty_until_assigned)
{
    struct var *v = slot("mine");

    cr_assert_eq(slot("mine"), v);
    expect_empty("mine");
    vars_assign(f->r, v, SV("value"));
    expect("<$mine>", "<value>");
}

Test(vars, named_capture_is_not_found_until_matched)
{
    struct conf_error error;

    cr_assert_not_null(vars_define_slot(&f->http.vars, SV("name"), NULL, &error));
    expect_none("name");
}

Test(vars, core_variable_cannot_be_set)
{
    struct conf_error error = {.err = 0};

    cr_assert_null(vars_define_slot(&f->http.vars, SV("host"), NULL, &error));
    cr_assert_str_eq(error.text, "the duplicate \"host\" variable");
    cr_assert_not_null(vars_define_slot(&f->http.vars, SV("args"), NULL, &error));
    cr_assert_not_null(vars_define_slot(&f->http.vars, SV("http_x"), NULL, &error));
}

static int computed;

static bool compute(void *ctx, const struct var *v, struct sv *out)
{
    (void)ctx;
    (void)v;
    computed++;
    *out = SV("computed");
    return true;
}

Test(vars, cached_value_is_computed_once_and_may_be_overwritten)
{
    struct var proto = {.name = SV("m"), .get = compute, .flags = VAR_CACHED | VAR_CHANGEABLE};
    struct var *v;

    cr_assert_eq(var_define(&f->http.vars, &proto, &v), 0);
    expect("$m$m", "computedcomputed");
    cr_assert_eq(computed, 1);
    cr_assert_eq(slot("m"), v);
    vars_assign(f->r, v, SV("set"));
    expect("$m", "set");
}

Test(vars, volatile_value_is_computed_each_time_until_it_is_set)
{
    struct var proto = {.name = SV("vol"), .get = compute, .flags = VAR_CHANGEABLE};
    struct var *v;

    cr_assert_eq(var_define(&f->http.vars, &proto, &v), 0);
    cr_assert_eq(slot("vol"), v);
    expect("$vol$vol", "computedcomputed");
    cr_assert_eq(computed, 2);
    vars_assign(f->r, v, SV("set"));
    expect("$vol", "set");
}

static bool circle(void *ctx, const struct var *v, struct sv *out)
{
    return vars_read(ctx, v, out);
}

Test(vars, a_circle_of_maps_ends)
{
    struct var proto = {.name = SV("loop"), .get = circle};

    log_use(&(struct log_sink){.level = LOG_LEVEL_STDERR});
    cr_assert_eq(var_define(&f->http.vars, &proto, NULL), 0);
    expect_none("loop");
    log_use(NULL);
}

Test(vars, captures_by_number_and_by_name)
{
    struct regex *re;
    struct regex_match m;
    struct conf_error error;
    char why[256];
    const struct var *named[2];

    cr_assert_eq(regex_compile(&f->config.arena, SV("^/(?<user>[a-z]+)(/x)?/(?<rest>.*)$"), false,
                               &re, why, sizeof(why)), 0);
    for (unsigned i = 0; i < re->nnamed; i++)
        named[i] = vars_define_slot(&f->http.vars, re->named[i].name, NULL, &error);
    cr_assert(regex_exec(re, SV("/joe/a/b"), &m));
    vars_set_captures(f->r, re, named, &m, SV("/joe/a/b"));
    expect("$user|$rest", "joe|a/b");
    expect("$1|$2|$3|$4", "joe||a/b|");
}

Test(vars, keepalive_disable_goes_by_the_browser)
{
    fixture_head(f, "GET / HTTP/1.0\r\nUser-Agent: Mozilla/4.0 (compatible; MSIE 6.0; x)\r\n\r\n");
    f->r->method = METHOD_POST;
    cr_assert(keepalive_disabled_for(f->r, KEEPALIVE_NO_MSIE6));
    cr_assert_not(keepalive_disabled_for(f->r, KEEPALIVE_NO_SAFARI));
    f->r->method = METHOD_GET;
    cr_assert_not(keepalive_disabled_for(f->r, KEEPALIVE_NO_MSIE6));
    fixture_head(f, "GET / HTTP/1.0\r\nUser-Agent: Mozilla (Mac OS X) Safari/1\r\n\r\n");
    cr_assert(keepalive_disabled_for(f->r, KEEPALIVE_NO_SAFARI));
    fixture_head(f, "GET / HTTP/1.0\r\nUser-Agent: (Mac OS X) Chrome/1 Safari/1\r\n\r\n");
    cr_assert_not(keepalive_disabled_for(f->r, KEEPALIVE_NO_SAFARI));
}
