// SPDX-License-Identifier: Apache-2.0
//
// What can be said of a finished handshake, under nginx's names of the variables ($ssl_protocol,
// ...). Read from the SSL while there is one; kept in one allocation when the kernel has taken the
// connection over and the SSL is freed.
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/sv.h"

// name of the variable without "ssl_"
#define TLS_FACTS(FACT)                                                                           \
    FACT(protocol) FACT(cipher) FACT(ciphers) FACT(curve) FACT(curves) FACT(sigalg)               \
    FACT(alpn_protocol) FACT(server_name) FACT(session_id) FACT(session_reused) FACT(early_data)  \
    FACT(client_sigalg) FACT(client_cert) FACT(client_raw_cert) FACT(client_escaped_cert)         \
    FACT(client_s_dn) FACT(client_i_dn) FACT(client_s_dn_legacy) FACT(client_i_dn_legacy)         \
    FACT(client_serial) FACT(client_fingerprint) FACT(client_verify) FACT(client_v_start)         \
    FACT(client_v_end) FACT(client_v_remain)

enum tls_fact {
#define FACT(name) TLS_FACT_##name,
    TLS_FACTS(FACT)
#undef FACT
    TLS_NFACTS
};

// Into `a` or a view of what lives as long as the SSL. false: no value (the variable is not found),
// as nginx: also when memory is out.
bool tls_fact_read(const SSL *ssl, enum tls_fact fact, struct arena *a, struct sv *out);

struct tls_facts; // one malloc

// Keeps those of `wanted` (bit 1 << fact). NULL when memory is out.
struct tls_facts *tls_facts_keep(const SSL *ssl, uint32_t wanted);
bool tls_facts_get(const struct tls_facts *f, enum tls_fact fact, struct sv *out);
void tls_facts_free(struct tls_facts *f); // wipes; NULL is allowed
