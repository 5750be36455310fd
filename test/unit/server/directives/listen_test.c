// SPDX-License-Identifier: Apache-2.0
//
// listen and server_name: addresses, their options, and who answers for which name.
#include "test/unit/server/directives/load_fixture.h"

#include <unistd.h>

static const struct listen_conf *nth(const struct config *c, unsigned n)
{
    const struct listen_conf *l = c->http->listens;

    while (n-- > 0)
        l = l->next;
    return l;
}

static void assert_address(const struct listen_conf *l, const char *text)
{
    char out[NET_ADDRESS_TEXT_MAX];

    net_address_format(&l->address, true, out);
    cr_assert_str_eq(out, text);
}

static int server_number(const struct config *c, const struct listen_conf *l, const char *host)
{
    const struct server_conf *s = name_table_find(&l->names, sv_from(host), NULL, NULL);

    for (unsigned i = 0; i < c->http->nservers; i++) {
        if (c->http->servers[i] == s)
            return (int)i;
    }
    return -1;
}

Test(listen, without_one_it_is_port_80_for_root_and_8000_for_others)
{
    struct config *c = load_http("server {}");

    assert_address(nth(c, 0), geteuid() == 0 ? "0.0.0.0:80" : "0.0.0.0:8000");
    config_free(c);
}

Test(listen, every_form_of_address)
{
    struct config *c = load_http("server { listen 81; listen 127.0.0.1; listen [::1]:82;\n"
                                 "listen unix:/tmp/x.sock; listen 127.0.0.2:90-91; }");

    cr_assert_eq(c->http->nlistens, 6);
    assert_address(nth(c, 0), "0.0.0.0:81");
    assert_address(nth(c, 1), "127.0.0.1:80");
    assert_address(nth(c, 2), "[::1]:82");
    assert_address(nth(c, 3), "unix:/tmp/x.sock");
    assert_address(nth(c, 5), "127.0.0.2:91");
    config_free(c);
}

Test(listen, every_option_of_the_socket)
{
    struct config *c = load_http("server { listen [::]:81 default_server backlog=7 rcvbuf=8k\n"
                                 "sndbuf=16k fastopen=3 deferred reuseport ipv6only=off\n"
                                 "so_keepalive=30m::10; }");
    const struct listen_conf *l = nth(c, 0);

    cr_assert(l->explicit_default);
    cr_assert(l->bound_by_set);
    cr_assert_eq(l->options.backlog, 7);
    cr_assert_eq(l->options.rcvbuf, 8192);
    cr_assert_eq(l->options.sndbuf, 16384);
    cr_assert_eq(l->options.fastopen, 3);
    cr_assert(l->options.deferred && l->options.reuseport && !l->options.ipv6only);
    cr_assert_eq(l->options.so_keepalive, KEEPALIVE_ON);
    cr_assert_eq(l->options.keepidle_s, 1800);
    cr_assert_eq(l->options.keepintvl_s, 0);
    cr_assert_eq(l->options.keepcnt, 10);
    config_free(c);
}

Test(listen, options_of_a_later_line_count_for_the_address)
{
    struct config *c = load_http("server { listen 81; } server { listen 81 backlog=9; }");

    cr_assert_eq(c->http->nlistens, 1);
    cr_assert_eq(nth(c, 0)->options.backlog, 9);
    config_free(c);
}

Test(listen, the_default_server_is_the_first_unless_one_says_so)
{
    struct config *c = load_http("server { listen 81; listen 82; server_name a; }\n"
                                 "server { listen 81; listen 82 default_server; server_name b; }");

    cr_assert_eq(server_number(c, nth(c, 0), "x"), 0);
    cr_assert_eq(server_number(c, nth(c, 1), "x"), 1);
    cr_assert_eq(server_number(c, nth(c, 0), "b"), 1);
    cr_assert_eq(c->http->server_names_in_use, 1);
    config_free(c);
}

Test(server_name, exact_before_wildcards_before_regular_expressions)
{
    struct config *c = load_http("server { listen 81; server_name first; }\n"
                                 "server { listen 81; server_name *.Example.com; }\n"
                                 "server { listen 81; server_name www.example.*; }\n"
                                 "server { listen 81; server_name ~^(?<sub>.+)\\.org$; }\n"
                                 "server { listen 81; server_name a.example.com .net; }\n"
                                 "server { listen 81; server_name \"\"; }");
    const struct listen_conf *l = nth(c, 0);

    cr_assert_eq(server_number(c, l, "a.example.com"), 4);
    cr_assert_eq(server_number(c, l, "b.example.com"), 1);
    cr_assert_eq(server_number(c, l, "www.example.com"), 1);
    cr_assert_eq(server_number(c, l, "www.example.de"), 2);
    cr_assert_eq(server_number(c, l, "x.org"), 3);
    cr_assert_eq(server_number(c, l, "net"), 4);
    cr_assert_eq(server_number(c, l, "x.net"), 4);
    cr_assert_eq(server_number(c, l, ""), 5);
    cr_assert_eq(server_number(c, l, "none"), 0);
    assert_sv(c->http->servers[3]->names[0]->captures[0]->name, "sub");
    config_free(c);
}

Test(server_name, an_odd_name_does_no_harm_where_a_server_is_alone)
{
    struct config *c = load_http("server { listen 81; server_name a*b; }");

    cr_assert_eq(server_number(c, nth(c, 0), "x"), 0);
    config_free(c);
}

Test(server_name, hostname_and_the_leading_dot)
{
    char host[256] = "";
    struct config *c = load_http("server { server_name $hostname; }\n"
                                 "server { listen 82; server_name .x.org y; }");

    gethostname(host, sizeof(host) - 1);
    for (char *p = host; *p != '\0'; p++)
        *p = ascii_lower(*p);
    assert_sv(c->http->servers[0]->name, host);
    assert_sv(c->http->servers[1]->name, "x.org");
    cr_assert_eq(c->http->servers[1]->nnames, 2);
    config_free(c);
}

Test(listen, refuses_what_nginx_refuses_in_its_words)
{
    static const struct refused rows[] = {
        {"server { listen 99999; }", "invalid port in \"99999\" of the \"listen\" ", 3},
        {"server { listen 81;\nlisten 81; }", "a duplicate listen 0.0.0.0:81 in ", 4},
        {"server { listen 81 default_server; }\nserver { listen 81 default; }",
         "a duplicate default server for 0.0.0.0:81 in ", 4},
        {"server { listen 81 backlog=1; }\nserver { listen 81 backlog=2; }",
         "duplicate listen options for 0.0.0.0:81 in ", 4},
        {"server { listen 81 backlog=0; }", "invalid backlog \"backlog=0\" in ", 3},
        {"server { listen 81 rcvbuf=x; }", "invalid rcvbuf \"rcvbuf=x\" in ", 3},
        {"server { listen 81 so_keepalive=::; }", "invalid so_keepalive value: \"::\" in ", 3},
        {"server { listen 81 ipv6only=x; }", "invalid ipv6only flags \"x\" in ", 3},
        {"server { listen 81 deferredly; }", "invalid parameter \"deferredly\" in ", 3},
        {"server { listen 81 quic; }", "the \"quic\" parameter of the \"listen\" directive is ", 3},
        {"server { listen 81 proxy_protocol; }", "the \"proxy_protocol\" parameter of the ", 3},
        {"server { server_name ~; }", "empty regex in server name \"~\" in ", 3},
        {"server { server_name *; }", "server name \"*\" is invalid in ", 3},
        {"server { server_name .; }", "server name \".\" is invalid in ", 3},
        {"server { listen 81; server_name a*b; } server { listen 81; }",
         "invalid server name or wildcard \"a*b\" on 0.0.0.0:81", 0},
        {"server { listen 81; server_name *.a.*; } server { listen 81; }",
         "invalid server name or wildcard \"*.a.*\" on 0.0.0.0:81", 0},
    };

    check_refused_http(rows, array_len(rows));
}
