// SPDX-License-Identifier: Apache-2.0
//
// The bytes of an HTTP/1.1 response head (RFC 9112, 4 and 5), in nginx's order of headers.
#pragma once

#include <stddef.h>

#include "lib/base/compiler.h"

struct request;

// Writes the head of r's response. 0 with *n set, or -ENOSPC. An HTTP/0.9 request has an empty
// head.
must_check int head_write(const struct request *r, char *out, size_t room, size_t *n);
