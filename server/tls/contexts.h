// SPDX-License-Identifier: Apache-2.0
//
// From configuration to contexts: reads certificates and keys, while there are privileges to.
#pragma once

#include "lib/base/arena.h"
#include "lib/base/compiler.h"

struct http_conf;
struct tls_ticket_keys;

// Makes the context of every server that names a certificate or refuses handshakes; the zones of
// session caches are open by then. `tickets` is the master's (NULL in a test of the configuration).
// 0, or -errno with everything said as [emerg].
must_check int tls_contexts_open(struct http_conf *http, struct tls_ticket_keys *tickets);
// Harmless for servers without one.
void tls_contexts_close(struct http_conf *http);

// A certificate or key as OpenSSL is given it: relative paths start from `directory`; what is no
// path ("data:...") stays as it is. NULL when memory is out.
const char *tls_full_path(struct arena *a, const char *directory, struct sv path);
