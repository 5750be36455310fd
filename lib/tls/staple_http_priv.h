// SPDX-License-Identifier: Apache-2.0
//
// HTTP with an OCSP responder: one GET (RFC 6960, A.1) with a time limit for the whole of it, that
// another thread can break off. The responder is hostile until proven otherwise.
#pragma once

#include <stddef.h>

#include "lib/base/compiler.h"

struct staple_url { // http://host[:port][/path]; free with staple_url_free()
    char *host, *port, *path, *query;
};

// 0, or -EINVAL for what is no http URL that could be asked.
must_check int staple_url_parse(const char *text, struct staple_url *url);
void staple_url_free(struct staple_url *url);

// `target` is the request line's. On success *body (malloc) is one whole DER element. 0, -EIO,
// -ETIMEDOUT, -ENOMEM with `why` (TLS_ERROR_MAX bytes), or -ECANCELED. Every address of the host
// is tried.
must_check int staple_http_get(const struct staple_url *url, const char *target, int timeout_s,
                               int cancel_fd, unsigned char **body, size_t *n, char *why);
