// SPDX-License-Identifier: Apache-2.0
#include "lib/http/gzip.h"

#include <criterion/criterion.h>
#include <zlib.h>

Test(gzip, accepted_when_it_is_named_with_a_weight)
{
    static const char *const yes[] = {
        "gzip", "GZip", "gzip,", "deflate,gzip", " deflate , gzip ;q=0.5", "gzip;q=1.000, *;q=0",
        "gzip;level=0", "gzip;q=0, gzip", "br;q=1.0,gzip;q=0.001",
    };
    static const char *const no[] = {
        "", "deflate", "*", "x-gzip", "gzipped", "gzip;q=0", "gzip ; q=0.0", "gzip;Q=0.000",
        "identity;gzip", "g zip", "gzip;x=1;q=0", ";", ",,",
    };

    for (size_t i = 0; i < array_len(yes); i++)
        cr_expect(gzip_accepted(sv_from(yes[i])), "%s", yes[i]);
    for (size_t i = 0; i < array_len(no); i++)
        cr_expect(!gzip_accepted(sv_from(no[i])), "%s", no[i]);
    cr_expect(!gzip_accepted(sv_of(NULL, 0)));
}

// A window that is chosen for a small input must still hold a larger one.
Test(gzip, member_is_right_whatever_size_was_expected)
{
    static const size_t expected[] = {0, 1, 250, 251, 1000, 16122, 16123, 100000};
    static char in[40000], packed[50000], out[40001];

    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (char)(i * i >> 7);
    for (size_t i = 0; i < array_len(expected); i++) {
        z_stream z = {.next_in = (Bytef *)in, .avail_in = sizeof(in)}, u = {.avail_in = 0};
        cr_assert_eq(gzip_open(&z, 1 + (int)i % 9, expected[i]), 0);
        z.next_out = (Bytef *)packed;
        z.avail_out = sizeof(packed);
        cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
        u.next_in = (Bytef *)packed;
        u.avail_in = (uInt)z.total_out;
        u.next_out = (Bytef *)out;
        u.avail_out = sizeof(out);
        deflateEnd(&z);
        cr_assert_eq(inflateInit2(&u, MAX_WBITS + 16), Z_OK);
        cr_assert_eq(inflate(&u, Z_FINISH), Z_STREAM_END);
        cr_assert_eq(u.total_out, sizeof(in));
        cr_assert_arr_eq(in, out, sizeof(in));
        inflateEnd(&u);
    }
}
