// SPDX-License-Identifier: Apache-2.0
//
// How a context is put together: each part takes its share of the settings into the SSL_CTX. All
// return 0 or -errno with `why` (TLS_ERROR_MAX bytes) filled.
#pragma once

#include "lib/tls/context.h"
#include "lib/tls/ticket_keys.h"

// What tls_context_make() allocates. `open` comes first: it is what others see.
struct tls_context_whole {
    struct tls_context open;
    struct tls_ticket_keys *key_files; // owned; NULL: settings->tickets
};

// Fills `why` with the message and the oldest entry of OpenSSL's error queue. -EINVAL.
int tls_fail(char *why, const char *fmt, ...) printf_like(2, 3);

// context_rules.c: protocols, ciphers, groups and all else that is said in one call.
must_check int tls_context_rules(struct tls_context *c, char *why, char *warning);
must_check int tls_context_commands(struct tls_context *c, char *why);
// load_pair.c
must_check int tls_context_pairs(struct tls_context *c, char *why);
// context_verify.c
must_check int tls_context_verify(struct tls_context *c, char *why);
// context_session.c
must_check int tls_context_sessions(struct tls_context_whole *w, char *why);
// True when sessions can be resumed without a ticket.
bool tls_context_has_cache(const struct tls_settings *s);
// context_name.c: what the ClientHello asks for.
void tls_context_names(struct tls_context *c);
// context_staple.c
must_check int tls_context_staples(struct tls_context *c, char *why);
void tls_context_drop_staples(struct tls_context *c);

// The context that the SSL was made with: OpenSSL keeps using its session cache and ticket keys
// after the server name has chosen another one, but does not say which it was.
const struct tls_context *tls_first_context(const SSL *ssl);

// The choice by name is made once: a second ClientHello (RFC 8446, 4.1.2) may not change it.
bool tls_is_chosen(const SSL *ssl);
bool tls_set_chosen(SSL *ssl);
