// SPDX-License-Identifier: Apache-2.0
//
// ssl_stapling without ssl_stapling_file: one thread of a silo asks the responders of all its
// certificates and publishes what they said to the workers.
#pragma once

#include "lib/base/compiler.h"

struct http_conf;
struct log_sink;
struct stapler;

// Starts the thread when some certificate is to be stapled (else *out is NULL): after privileges
// are gone, with the process's signals blocked. `sinks` (borrowed, may be NULL) are for its lines.
// 0 or -errno.
must_check int stapler_start(const struct http_conf *http, struct log_sink *sinks,
                             struct stapler **out);
// No new question is asked. Does not wait. May be called again; NULL is allowed.
void stapler_stop(struct stapler *s);
// Stops, and waits for the thread, which never takes long: a question is broken off. The contexts
// must still be there. NULL is allowed.
void stapler_free(struct stapler *s);
