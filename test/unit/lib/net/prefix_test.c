// SPDX-License-Identifier: Apache-2.0
#include "lib/net/prefix.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>

static bool has(const char *prefix, const char *address)
{
    struct net_prefix p;
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};

    cr_assert_eq(net_prefix_parse(sv_from(prefix), &p, NULL), 0, "%s", prefix);
    if (inet_pton(AF_INET, address, &four.sin_addr) == 1)
        return net_prefix_has(&p, (struct sockaddr *)&four);
    cr_assert_eq(inet_pton(AF_INET6, address, &six.sin6_addr), 1);
    return net_prefix_has(&p, (struct sockaddr *)&six);
}

Test(prefix, bits_decide)
{
    cr_assert(has("10.0.0.0/8", "10.255.0.1"));
    cr_assert_not(has("10.0.0.0/8", "11.0.0.1"));
    cr_assert(has("192.168.1.128/25", "192.168.1.129"));
    cr_assert_not(has("192.168.1.128/25", "192.168.1.127"));
    cr_assert(has("0.0.0.0/0", "8.8.8.8"));
    cr_assert(has("127.0.0.1", "127.0.0.1"));
    cr_assert(has("2001:db8::/33", "2001:db8:7fff::1"));
    cr_assert_not(has("2001:db8::/33", "2001:db8:8000::1"));
}

Test(prefix, families_do_not_mix_but_mapped_addresses_are_ipv4)
{
    cr_assert_not(has("0.0.0.0/0", "::1"));
    cr_assert_not(has("::/0", "1.2.3.4"));
    cr_assert(has("10.0.0.0/8", "::ffff:10.1.1.1"));
}

Test(prefix, host_bits_are_dropped_and_said)
{
    struct net_prefix p;
    bool dropped;

    cr_assert_eq(net_prefix_parse(SV("10.1.2.3/8"), &p, &dropped), 0);
    cr_assert(dropped);
    cr_assert_eq(p.bytes[1], 0);
    cr_assert_eq(net_prefix_parse(SV("10.0.0.0/8"), &p, &dropped), 0);
    cr_assert_not(dropped);
}

Test(prefix, nonsense_is_refused)
{
    static const char *const bad[] = {"", "/", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/",
                                      "10.0.0.0/x", "a.b.c.d", "10.0.0.0/-1"};
    struct net_prefix p;

    for (size_t i = 0; i < array_len(bad); i++)
        cr_assert_eq(net_prefix_parse(sv_from(bad[i]), &p, NULL), -EINVAL, "%s", bad[i]);
}
