// SPDX-License-Identifier: Apache-2.0
//
// Listen addresses: every form, every error in nginx's words, and the way back to text.
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "lib/net/address.h"

static struct arena arena;
static struct net_address_list list;
static const char *error;

static void setup(void)
{
    arena_init(&arena, NULL);
}

static void teardown(void)
{
    arena_reset(&arena);
}

TestSuite(address, .init = setup, .fini = teardown);

static int parse(const char *text)
{
    return net_address_parse(&arena, sv_from(text), 80, &list, &error);
}

static void expect_one(const char *text, const char *formatted)
{
    char out[NET_ADDRESS_TEXT_MAX];

    cr_assert_eq(parse(text), 0, "%s: %s", text, error);
    cr_assert_eq(list.count, 1, "%s", text);
    size_t n = net_address_format(&list.at[0], true, out);
    cr_expect_str_eq(out, formatted);
    cr_expect_eq(n, strlen(formatted));
}

static void expect_error(const char *text, const char *words)
{
    cr_assert_eq(parse(text), -EINVAL, "%s", text);
    cr_assert_not_null(error);
    cr_expect_str_eq(error, words, "%s: got \"%s\"", text, error);
}

Test(address, forms)
{
    expect_one("8080", "0.0.0.0:8080");
    expect_one("*:81", "0.0.0.0:81");
    expect_one("*", "0.0.0.0:80");
    expect_one("127.0.0.1:8080", "127.0.0.1:8080");
    expect_one("127.0.0.1", "127.0.0.1:80");
    expect_one("[::1]:8080", "[::1]:8080");
    expect_one("[::]", "[::]:80");
    expect_one("[2001:DB8::0:1]:65535", "[2001:db8::1]:65535");
    expect_one("unix:/run/x.sock", "unix:/run/x.sock");
    expect_one("UNIX:relative", "unix:relative");
}

Test(address, errors_are_nginx_words)
{
    expect_error("0", "invalid port");
    expect_error("65536", "invalid port");
    expect_error("99999999999999999999999", "invalid port");
    expect_error("127.0.0.1:", "invalid port");
    expect_error("127.0.0.1:http", "invalid port");
    expect_error("[::1]:0", "invalid port");
    expect_error("90-80", "invalid port range");
    expect_error("80-65536", "invalid port");
    expect_error("127.0.0.1:80-", "invalid port");
    expect_error(":80", "no host");
    expect_error("[]:80", "no host");
    expect_error("[::1", "invalid host");
    expect_error("[::1]80", "invalid host");
    expect_error("127.0.0.1/x:80", "invalid host");
    expect_error("a?b", "invalid host");
    expect_error("[::g]:80", "invalid IPv6 address");
    expect_error("unix:", "no path in the unix domain socket");
    expect_error("no-such-host.invalid:80", "host not found");
}

Test(address, a_path_must_leave_room_for_its_terminator)
{
    char text[5 + 109] = "unix:";

    memset(text + 5, 'x', 107);
    cr_assert_eq(parse(text), 0);
    text[5 + 107] = 'x';
    expect_error(text, "too long path in the unix domain socket");
}

Test(address, port_ranges_expand)
{
    char out[NET_ADDRESS_TEXT_MAX];

    cr_assert_eq(parse("127.0.0.1:8080-8090"), 0);
    cr_assert_eq(list.count, 11);
    net_address_format(&list.at[10], true, out);
    cr_expect_str_eq(out, "127.0.0.1:8090");

    cr_assert_eq(parse("8080-8081"), 0);
    cr_assert_eq(list.count, 2);
    cr_expect(net_address_is_wildcard(&list.at[1]));
    cr_assert_eq(parse("[::1]:1-65535"), 0);
    cr_expect_eq(list.count, 65535);
    expect_one("7-7", "0.0.0.0:7");
}

Test(address, a_name_may_give_several_addresses_but_none_twice)
{
    cr_assert_eq(parse("localhost:8000-8001"), 0, "%s", error);
    cr_assert_geq(list.count, 2);
    cr_expect_eq(list.count % 2, 0);
    for (size_t i = 0; i < list.count; i++) {
        for (size_t k = 0; k < i; k++)
            cr_expect_not(net_address_eq(&list.at[i], &list.at[k]));
    }
}

Test(address, text_without_port_is_remote_addr)
{
    char out[NET_ADDRESS_TEXT_MAX];

    cr_assert_eq(parse("[::ffff:10.1.2.3]:9"), 0);
    net_address_format(&list.at[0], false, out);
    cr_expect_str_eq(out, "::ffff:10.1.2.3");
    cr_assert_eq(parse("10.1.2.3:9"), 0);
    net_address_format(&list.at[0], false, out);
    cr_expect_str_eq(out, "10.1.2.3");
}

Test(address, nameless_unix_peer)
{
    char out[NET_ADDRESS_TEXT_MAX];
    struct net_address none = {.len = 0}, family = {.len = sizeof(sa_family_t)};

    family.sa.sa_family = AF_UNIX;
    net_address_format(&none, true, out);
    cr_expect_str_eq(out, "unix:");
    net_address_format(&family, false, out);
    cr_expect_str_eq(out, "unix:");
}

Test(address, equality_and_wildcard)
{
    struct net_address a, b;

    cr_assert_eq(parse("127.0.0.1:80"), 0);
    a = list.at[0];
    b = a;
    cr_expect(net_address_eq(&a, &b));
    cr_expect_not(net_address_is_wildcard(&a));
    net_address_set_port(&b, 81);
    cr_expect_not(net_address_eq(&a, &b));
    cr_assert_eq(parse("[::]:80"), 0);
    cr_expect(net_address_is_wildcard(&list.at[0]));
    cr_expect_not(net_address_eq(&a, &list.at[0]));

    cr_assert_eq(parse("unix:/a"), 0);
    a = list.at[0];
    cr_assert_eq(parse("unix:/ab"), 0);
    cr_expect_not(net_address_eq(&a, &list.at[0]));
    // accept(2) and getsockname(2) give shorter lengths than we bind with.
    b = a;
    b.len = offsetof(struct sockaddr_un, sun_path) + 3;
    cr_expect(net_address_eq(&a, &b));
}
