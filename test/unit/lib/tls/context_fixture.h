// SPDX-License-Identifier: Apache-2.0
//
// Settings to begin with, and contexts made of them.
#pragma once

#include <errno.h>

#include "test/unit/lib/tls/handshake_fixture.h"
#include "test/unit/lib/tls/identity_fixture.h"
#include "test/unit/lib/tls/rsa_key.h"

static struct identity ca, ec, rsa;
static struct tls_pair pairs[2];
static char directory[] = "/tmp/millrace-context-XXXXXX";
static char why[TLS_ERROR_MAX], warning[TLS_ERROR_MAX];

static inline void context_init(void)
{
    ca = make_identity("authority", EVP_EC_gen("P-256"), NULL, 30);
    ec = make_identity("ec.test", EVP_EC_gen("P-256"), &ca, 30);
    rsa = make_identity("rsa.test", rsa_key(), &ca, 30);
    pairs[0] = (struct tls_pair){ec.certificate, ec.private_key};
    pairs[1] = (struct tls_pair){rsa.certificate, rsa.private_key};
    cr_assert_not_null(mkdtemp(directory));
}

static inline void context_fini(void)
{
    remove_directory(directory);
    free_identity(&ca);
    free_identity(&ec);
    free_identity(&rsa);
}

static inline struct tls_settings defaults(unsigned npairs)
{
    return (struct tls_settings){.pairs = pairs,
                                 .npairs = npairs,
                                 .protocols = TLS_1_2 | TLS_1_3,
                                 .verify_depth = 1,
                                 .session_timeout_s = 300,
                                 .builtin_cache = TLS_CACHE_NONE,
                                 .session_tickets = true};
}

static inline struct tls_context *make(const struct tls_settings *s)
{
    struct tls_context *c;

    cr_assert_eq(tls_context_make(s, NULL, &c, why, warning), 0, "%s", why);
    cr_assert_str_empty(why);
    cr_assert_eq(ERR_peek_error(), 0);
    return c;
}

static inline void refuse(const struct tls_settings *s, const char *start)
{
    struct tls_context *c;

    cr_assert_eq(tls_context_make(s, NULL, &c, why, warning), -EINVAL);
    cr_assert_null(c);
    cr_assert_null(strchr(why, '\n'));
    cr_assert_eq(strncmp(why, start, strlen(start)), 0, "%s", why);
    cr_assert_eq(ERR_peek_error(), 0);
}

static inline char *write_text(const char *name, const char *text, size_t n)
{
    char *path = keep(malloc(64));

    snprintf(path, 64, "%s/%s", directory, name);
    FILE *f = fopen(path, "w");
    cr_assert_eq(fwrite(text, 1, n, f), n);
    fclose(f);
    return path;
}

static inline char *write_data(const char *name, const char *data)
{
    return write_text(name, data + 5, strlen(data) - 5);
}
