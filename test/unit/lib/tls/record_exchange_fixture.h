// SPDX-License-Identifier: Apache-2.0
//
// Data both ways between the two ends of record_ends_fixture.h, with the record layer as the
// server's.
#pragma once

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/lib/tls/record_ends_fixture.h"
#include "test/unit/lib/tls/record_fixture.h"

static struct opened out;
static char big[150000];

__attribute__((constructor)) static inline void fill_big(void)
{
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 31 + i / 7);
}

static inline void client_reads(struct ends *e, const char *expected, size_t n)
{
    static char buf[sizeof(big) + 1];
    size_t total = 0, got;

    while (SSL_read_ex(e->client, buf + total, sizeof(buf) - total, &got) == 1)
        total += got;
    cr_assert_eq(SSL_get_error(e->client, 0), SSL_ERROR_WANT_READ);
    cr_assert_eq(total, n);
    cr_assert_eq(memcmp(buf, expected, n), 0);
}

static inline void server_writes(struct ends *e, size_t n, size_t record_max)
{
    size_t size = tls_records_sealed_size(n, record_max), len;
    char *sealed = malloc(size);

    cr_assert_eq(tls_records_seal(e->r, big, n, record_max, sealed, &len), 0);
    cr_assert_leq(len, size);
    to_client(e, sealed, len);
    free(sealed);
    client_reads(e, big, n);
}

static inline enum tls_opened server_reads(struct ends *e, size_t piece)
{
    size_t n;
    char *bytes = take_sent(e, &n);
    enum tls_opened result = open_all(e->r, bytes, n, piece, &out);

    free(bytes);
    return result;
}

static inline void client_writes(struct ends *e, size_t n, size_t piece)
{
    cr_assert_eq(SSL_write(e->client, big, (int)n), (int)n);
    out.n = 0;
    cr_assert_eq(server_reads(e, piece), TLS_OPENED_MORE);
    cr_assert_eq(out.n, n);
    cr_assert_eq(memcmp(out.data, big, n), 0);
    cr_assert(tls_records_at_boundary(e->r));
}

static inline void exchange(struct ends *e)
{
    server_writes(e, 1000, TLS_RECORD_MAX);
    client_writes(e, 1000, 10000);
    server_writes(e, sizeof(big), TLS_RECORD_MAX);
    client_writes(e, sizeof(big), 10000);
}
