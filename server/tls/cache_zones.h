// SPDX-License-Identifier: Apache-2.0
//
// The shared session caches of a configuration: ssl_session_cache shared:NAME:SIZE.
//
// The master maps them before it starts silos, so that all workers of all silos have the same ones.
// A zone of the same name and size is carried over from one configuration to the next; one that no
// configuration names any more is wiped and unmapped.
#pragma once

#include "lib/base/compiler.h"

struct http_conf;

// Maps the zones that are new and takes over the others. `http` may be NULL. 0, or -errno with
// everything said; then none of this configuration is open.
must_check int tls_cache_zones_open(struct http_conf *http);
// Harmless for zones that were never opened.
void tls_cache_zones_close(struct http_conf *http);
