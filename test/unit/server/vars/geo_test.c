// SPDX-License-Identifier: Apache-2.0
//
// geo: what its block compiles to, which address is looked up, and what is refused.
#include "server/vars/geo.h"

#include "test/unit/server/directives/load_fixture.h"
#include "test/unit/server/request_fixture.h"

static const struct var *var_of(const struct config *c, const char *name)
{
    const struct var *v = strmap_get(&c->http->vars.by_name, sv_from(name));

    cr_assert_not_null(v);
    cr_assert_eq(v->get, geo_get);
    return v;
}

static const struct geo *geo_of(const struct config *c)
{
    return (const struct geo *)var_of(c, "x")->data;
}

static const char *look_up(const struct geo *g, const char *text)
{
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    const struct sockaddr none = {.sa_family = 0};
    const struct sockaddr *address = &none;

    if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
        address = (struct sockaddr *)&four;
    else if (inet_pton(AF_INET6, text, &six.sin6_addr) == 1)
        address = (struct sockaddr *)&six;
    else
        cr_assert_str_eq(text, "none");
    const struct sv *value = geo_find(g, address);
    return value != NULL ? value->p : NULL;
}

struct found {
    const char *address, *value;
};

static void check_found(const char *text, const struct found *rows, size_t count)
{
    struct config *c = load_http(text);

    for (size_t i = 0; i < count; i++) {
        const char *value = look_up(geo_of(c), rows[i].address);
        cr_expect(value == rows[i].value ||
                      (value != NULL && rows[i].value != NULL && !strcmp(value, rows[i].value)),
                  "%s: %s, not %s", rows[i].address, value, rows[i].value);
    }
    config_free(c);
}

Test(geo, networks_of_both_families_with_a_default_for_both)
{
    static const struct found rows[] = {
        {"127.0.0.1", "loopback"}, {"192.0.2.9", "$host"}, {"10.0.0.1", "other"},
        {"::1", "six"}, {"2001:db8::5", "doc"}, {"2001:db9::", "other"},
        {"::ffff:127.0.0.1", "loopback"}, {"::ffff:1.2.3.4", "other"}, {"none", "other"},
        {"11.1.1.1", "zeros"},
    };

    check_found("geo $x { 127.0.0.0/8 loopback; default other; 192.0.2.0/24 $host; ::1 six;\n"
                "2001:db8::/32 doc; 010.0.0.0/8 gone; delete 10.0.0.0/8; 011.001.001.001 zeros; }",
                rows, array_len(rows));
}

Test(geo, without_a_default_there_is_no_value)
{
    static const struct found rows[] = {
        {"1.2.3.4", "world"}, {"::1", NULL}, {"none", "nowhere"}, {"255.255.255.255", "nowhere"},
    };

    check_found("geo $x { 0.0.0.0/0 world; 255.255.255.255 nowhere; }", rows, array_len(rows));
}

Test(geo, ranges_are_of_ipv4_addresses)
{
    static const struct found rows[] = {
        {"127.0.0.1", "a"}, {"127.0.0.2", "other"}, {"10.1.2.3", "b"}, {"10.2.0.0", "b"},
        {"10.2.0.1", "other"}, {"::1", "other"}, {"::ffff:10.1.2.3", "b"}, {"none", "other"},
        {"255.255.255.255", "other"}, {"11.0.0.0", "other"},
    };

    check_found("geo $x { ranges; 127.0.0.0-127.0.0.1 a; 010.000.000.000-10.2.0.0 b; default other;"
                "\n11.0.0.0-11.1.0.0 c; delete 11.0.0.0-11.1.0.0; }", rows, array_len(rows));
}

Test(geo, an_empty_block_has_no_value)
{
    static const struct found rows[] = {{"127.0.0.1", NULL}, {"::1", NULL}, {"none", NULL}};

    check_found("geo $x { }", rows, array_len(rows));
    check_found("geo $x { ranges; }", rows, array_len(rows));
}

Test(geo, lines_are_included)
{
    char path[] = "/tmp/millrace-geo-XXXXXX", text[128];
    static const struct found rows[] = {{"127.0.0.1", "here"}, {"10.0.0.1", "there"}};
    int fd = mkstemp(path);

    cr_assert_eq(write(fd, "127.0.0.0/8 here;", 17), 17);
    close(fd);
    snprintf(text, sizeof(text), "geo $x { include %s; 10.0.0.0/8 there; }", path);
    check_found(text, rows, array_len(rows));
    unlink(path);
}

Test(geo, volatile_variables_are_not_cached_and_the_last_block_of_a_name_counts)
{
    struct config *c = load_http("geo $x { default a; } geo $x { default b; }\n"
                                 "geo $v { volatile; default c; }");

    cr_assert_str_eq(look_up(geo_of(c), "1.2.3.4"), "b");
    cr_assert_neq(var_of(c, "x")->flags & VAR_CACHED, 0);
    cr_assert_eq(var_of(c, "v")->flags & VAR_CACHED, 0);
    config_free(c);
}

Test(geo, refuses_what_nginx_refuses_in_its_words)
{
    static const struct refused rows[] = {
        {"geo x { }", "invalid variable name \"x\" in ", 3},
        {"geo $ { }", "invalid variable name \"$\" in ", 3},
        {"geo $uri x { }", "invalid variable name \"x\" in ", 3},
        {"geo $host { }", "the duplicate \"host\" variable in ", 3},
        {"geo $nonesuch $x { }", "unknown \"nonesuch\" variable in ", 3},
        {"geo $x {\na; }", "invalid number of the geo parameters in ", 4},
        {"geo $x {\na b c; }", "invalid number of the geo parameters in ", 4},
        {"geo $x {\n10.0.0.0/33 a; }", "invalid network \"10.0.0.0/33\" in ", 4},
        {"geo $x {\n10.0.0.0/00000000000000008 a; }", "invalid network \"10.0.0.0/0", 4},
        {"geo $x {\n10.0.0 a; }", "invalid network \"10.0.0\" in ", 4},
        {"geo $x {\nproxy unix:; }", "invalid network \"unix:\" in ", 4},
        {"geo $x {\ndelete default; }", "invalid network \"default\" in ", 4},
        {"geo $x { default a;\nranges; }", "the \"ranges\" directive must be the first ", 4},
        {"geo $x { ranges;\n10.0.0.1 a; }", "invalid range \"10.0.0.1\" in ", 4},
        {"geo $x { ranges;\n10.0.0.1-10.0.0.0 a; }", "invalid range \"10.0.0.1-10.0.0.0\" in ", 4},
        {"geo $x { ranges;\n1.1.1.1-255.255.255.255 a; }", "invalid range \"1.1.1.1-255.", 4},
        {"geo $x { ranges;\n1.1.1.256-1.1.2.0 a; }", "invalid range \"1.1.1.256-1.1.2.0\" in ", 4},
        {"geo $x { ranges; 10.0.0.5-10.1.0.9 a;\n10.0.255.0-10.1.0.20 b; }",
         "range \"10.0.255.0-10.1.0.20\" overlaps \"10.1.0.0-10.1.0.9\" in ", 4},
        {"server { geo $x { } }", "\"geo\" directive is not allowed here in ", 3},
        {"geo $x;", "directive \"geo\" has no opening \"{\" in ", 3},
    };

    check_refused_http(rows, array_len(rows));
}

Test(geo, an_ipv4_address_is_four_decimal_numbers)
{
    static const char *const bad[] = {"", ".", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3",
                                      "1.2.3.256", "1.2.3.4 ", "1.2.3.x", "1.2.3.99999999999",
                                      "4294967297.1.1.1", "+1.2.3.4"};
    uint32_t address;

    cr_assert_eq(geo_parse_ipv4(SV("1.2.3.4"), &address), 0);
    cr_assert_eq(address, 0x01020304);
    cr_assert_eq(geo_parse_ipv4(SV("255.255.255.255"), &address), 0);
    cr_assert_eq(address, 0xffffffff);
    cr_assert_eq(geo_parse_ipv4(SV("010.020.030.000040"), &address), 0);
    cr_assert_eq(address, 0x0a141e28);
    for (size_t i = 0; i < array_len(bad); i++)
        cr_expect_eq(geo_parse_ipv4(sv_from(bad[i]), &address), -EINVAL, "\"%s\"", bad[i]);
}

// Reads $x of a request whose peer is 127.0.0.1 (it is the fixture's) or a given IPv6 address.
static void check_forwarded(const char *block, const char *peer, const char *headers,
                            const char *wanted)
{
    struct config *c = load_http(block);
    struct fixture *f = fixture_new();
    char head[512];
    struct sv out;

    if (peer != NULL) {
        f->conn.peer_known = true;
        f->conn.peer.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
        cr_assert_eq(inet_pton(AF_INET6, peer, &f->conn.peer.in6.sin6_addr), 1);
    }
    snprintf(head, sizeof(head), "GET / HTTP/1.0\r\nHost: x\r\n%s\r\n", headers);
    fixture_head(f, head);
    cr_assert(geo_get(f->r, var_of(c, "x"), &out));
    cr_expect(sv_eq(out, sv_from(wanted)), "%s: \"%.*s\", not \"%s\"", headers, SV_ARG(out),
              wanted);
    fixture_free(f);
    config_free(c);
}

#define NETWORKS "default d; 127.0.0.0/8 l; 192.0.2.0/24 t; 198.51.100.0/24 u; 2001:db8::/32 s; }"
#define ONE "geo $x { proxy 127.0.0.1; proxy 192.0.2.7; " NETWORKS
#define ALL "geo $x { proxy_recursive; proxy 127.0.0.0/8; proxy 192.0.2.7; " NETWORKS
#define XFF "X-Forwarded-For: "

Test(geo, forwarded_addresses_count_only_from_a_trusted_proxy)
{
    check_forwarded("geo $x { " NETWORKS, NULL, XFF "192.0.2.1\r\n", "l");
    check_forwarded("geo $x { proxy 127.0.0.2; " NETWORKS, NULL, XFF "192.0.2.1\r\n", "l");
    check_forwarded(ONE, NULL, XFF "192.0.2.1\r\n", "t");
    check_forwarded(ONE, NULL, "", "l");
    check_forwarded(ONE, "::ffff:127.0.0.1", XFF "192.0.2.1\r\n", "t");
    check_forwarded(ONE, "2001:db8::1", XFF "192.0.2.1\r\n", "s");
    check_forwarded("geo $x { proxy 2001:db8::/64; " NETWORKS, "2001:db8::1",
                    "x-forwarded-for: 192.0.2.1\r\n", "t");
}

Test(geo, without_recursion_the_last_forwarded_address_is_taken)
{
    check_forwarded(ONE, NULL, XFF "192.0.2.1, 10.0.0.1\r\n", "d");
    check_forwarded(ONE, NULL, XFF "10.0.0.1,192.0.2.7\r\n", "t");
    check_forwarded(ONE, NULL, XFF "10.0.0.1\r\n" XFF "192.0.2.7 ,, \r\n", "t");
    check_forwarded(ONE, NULL, XFF "192.0.2.1\r\n" XFF "bad\r\n", "l");
}

Test(geo, with_recursion_trusted_addresses_are_passed_over_from_the_end)
{
    check_forwarded(ALL, NULL, XFF "198.51.100.1, 127.0.0.1\r\n", "u");
    check_forwarded(ALL, NULL, XFF "10.0.0.1, 198.51.100.1, 192.0.2.7,127.0.0.9\r\n", "u");
    check_forwarded(ALL, NULL, XFF "192.0.2.7\r\n", "t");
    check_forwarded(ALL, NULL, XFF "198.51.100.1\r\n" XFF "192.0.2.7, 127.0.0.1\r\n", "u");
    check_forwarded(ALL, NULL, XFF "10.0.0.1\r\n" XFF "198.51.100.1\r\n", "u");
}

Test(geo, with_recursion_what_is_no_address_ends_the_list)
{
    check_forwarded(ALL, NULL, XFF "198.51.100.1, unknown, 192.0.2.7\r\n", "t");
    check_forwarded(ALL, NULL, XFF "198.51.100.1\r\n" XFF "\r\n", "l");
    check_forwarded(ALL, NULL, XFF "198.51.100.1\r\n" XFF ", 192.0.2.7\r\n", "t");
}

Test(geo, forwarded_addresses_may_have_ports_and_brackets)
{
    check_forwarded(ONE, NULL, XFF "192.0.2.1:80\r\n", "t");
    check_forwarded(ONE, NULL, XFF "2001:db8::5\r\n", "s");
    check_forwarded(ONE, NULL, XFF "[2001:db8::5]\r\n", "s");
    check_forwarded(ONE, NULL, XFF "[2001:db8::5]:8080\r\n", "s");
    check_forwarded(ONE, NULL, XFF "192.0.2.1:0\r\n", "l");
    check_forwarded(ONE, NULL, XFF "192.0.2.1:65536\r\n", "l");
    check_forwarded(ONE, NULL, XFF "192.0.2.1:\r\n", "l");
    check_forwarded(ONE, NULL, XFF "[2001:db8::5]80\r\n", "l");
    check_forwarded(ONE, NULL, XFF "[2001:db8::5\r\n", "l");
    check_forwarded(ONE, NULL, XFF "[]\r\n", "l");
    check_forwarded(ONE, NULL, XFF ":\r\n", "l");
}

Test(geo, a_request_without_a_head_has_its_peer_as_in_mid_handshake)
{
    struct config *c = load_http(ALL);
    struct fixture *f = fixture_new();
    struct sv out;

    cr_assert(geo_get(f->r, var_of(c, "x"), &out));
    assert_sv(out, "l");
    f->conn.peer.sa.sa_family = 0; // a Unix socket's
    cr_assert(geo_get(f->r, var_of(c, "x"), &out));
    assert_sv(out, "d");
    fixture_free(f);
    config_free(c);
}
