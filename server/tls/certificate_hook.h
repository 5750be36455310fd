// SPDX-License-Identifier: Apache-2.0
//
// Certificates whose paths have variables, most of the time $ssl_server_name: looked for when the
// client has said what it wants.
#pragma once

#include <openssl/ssl.h>

struct conn;
struct tls_context;

// Puts the certificates and keys of the context's server into `ssl`. 1; 0 with a line logged: the
// handshake fails. Nothing to do, and 1, for servers whose certificates are known.
int tls_certificate_hook(struct conn *c, const struct tls_context *context, SSL *ssl);
// Frees the caches of this thread; the end of a thread does, too.
void tls_certificate_hook_forget(void);
