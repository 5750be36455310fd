// SPDX-License-Identifier: Apache-2.0
//
// What a responder sent, byte by byte.
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "lib/tls/staple_reply_priv.h"

static char why[STAPLE_WHY_MAX];
static struct sv body;

#define HEAD "HTTP/1.1 200 OK\r\nDate: x\r\ncontent-type:  application/OCSP-response \r\n\r\n"

static int parse(struct sv reply)
{
    body = (struct sv){0};
    why[0] = '\0';
    return staple_reply_parse(reply, &body, why);
}

static void expect_good(struct sv reply, size_t n)
{
    size_t whole;

    cr_assert_eq(parse(reply), 0, "%s", why);
    cr_assert_eq(body.n, n);
    whole = (size_t)(body.p - reply.p) + n;
    for (size_t i = 0; i < whole; i++)
        cr_assert_eq(parse(sv_take(reply, i)), -EAGAIN, "after %zu bytes: %s", i, why);
}

static void expect_bad(struct sv reply, const char *text)
{
    cr_assert_eq(parse(reply), -EINVAL);
    cr_assert_str_eq(why, text);
}

Test(staple_reply, every_prefix_of_a_good_one_needs_more)
{
    expect_good(SV(HEAD "\x30\x03\x01\x02\x03"), 5);
    expect_good(SV("HTTP/1.0 200\nA:b\n\n\x30\x81\x03\x01\x02\x03"), 6);
    expect_good(SV(HEAD "\x30\x83\x00\x00\x03\x01\x02\x03"), 8);
    expect_good(SV("HTTP/1.1 200 OK\r\n\r\n\x30\x00"), 2);
}

Test(staple_reply, what_follows_the_der_does_not_matter)
{
    cr_assert_eq(parse(SV(HEAD "\x30\x01\x02tail")), 0);
    cr_assert_eq(body.n, 3);
}

Test(staple_reply, status_line)
{
    static const char *const bad[] = {"\n", "HTTP/1.1\n", "HTTP/2 200 OK\n", "HTTP/1.1 20 OK\r\n",
                                      "HTTP/1.1 2000 OK\n", "HTTP/1.1  200\n", "HTTP/1.1 2x0 O\n",
                                      "ICY 200 OK long enough\n"};

    for (size_t i = 0; i < array_len(bad); i++)
        expect_bad(sv_from(bad[i]), "OCSP responder sent invalid response");
    expect_bad(SV("HTTP/1.1 404 Not Found\r\n"), "OCSP responder answered with status 404");
    expect_bad(SV("HTTP/1.1 201\n"), "OCSP responder answered with status 201");
}

Test(staple_reply, headers)
{
    expect_bad(SV("HTTP/1.1 200 OK\r\nnonsense\r\n"), "OCSP responder sent invalid response");
    expect_bad(SV("HTTP/1.1 200 OK\r\n: x\r\n"), "OCSP responder sent invalid response");
    expect_bad(SV("HTTP/1.1 200 OK\r\nContent-Type: text/\x1b[31m\r\n"),
               "OCSP responder sent invalid \"Content-Type\" header: \"text/?[31m\"");
    expect_bad(SV("HTTP/1.1 200 OK\r\nContent-Type:\r\n"),
               "OCSP responder sent invalid \"Content-Type\" header: \"\"");
}

Test(staple_reply, body_that_is_no_sequence)
{
    expect_bad(SV(HEAD "<html>"), "OCSP responder sent invalid response");
    expect_bad(SV(HEAD "\x30\x80\x01"), "OCSP responder sent invalid response");
    expect_bad(SV(HEAD "\x30\x84\x00\x00\x00\x01\x01"), "OCSP responder sent invalid response");
}
