// SPDX-License-Identifier: Apache-2.0
//
// What the client's certificate says, for facts.c.
#pragma once

#include "lib/tls/facts.h"

// Like tls_fact_read(), for the facts about the client's certificate, `x509` (may be NULL: it sent
// none).
bool tls_certificate_fact(const SSL *ssl, const X509 *x509, enum tls_fact fact, struct arena *a,
                          struct sv *out);

// The algorithm that the server, or the client, has signed the handshake with: static text, or NULL
// when it has not.
const char *tls_signature_name(SSL *ssl, bool of_client);
