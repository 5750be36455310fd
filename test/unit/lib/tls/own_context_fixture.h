// SPDX-License-Identifier: Apache-2.0
//
// A TLS context with a certificate of its own.
#pragma once

#include "lib/tls/tls.h"
#include "test/unit/lib/tls/identity_fixture.h"

static struct tls_settings settings;
static struct identity identity;
static struct tls_pair pair;
static struct tls_context *context;

static inline void make_context(void)
{
    char why[TLS_ERROR_MAX];

    identity = make_identity("localhost", EVP_EC_gen("P-256"), NULL, 30);
    pair = (struct tls_pair){identity.certificate, identity.private_key};
    settings.pairs = &pair;
    settings.npairs = 1;
    settings.protocols = TLS_1_2 | TLS_1_3;
    settings.session_timeout_s = 300;
    settings.verify_depth = 1;
    cr_assert_eq(tls_context_make(&settings, NULL, &context, why, NULL), 0, "%s", why);
}
