// SPDX-License-Identifier: Apache-2.0
//
// The gzip content coding (RFC 9110, 8.4.1.3; RFC 1952): who takes it, and zlib made ready for it.
#pragma once

#include "lib/base/sv.h"

// Does an Accept-Encoding header (p == NULL: none) name gzip, with a weight above zero? As in
// nginx, "*" does not.
bool gzip_accepted(struct sv accept_encoding);

struct z_stream_s;
// deflateInit2() for a gzip member of about `expected` bytes of input, with no more memory than
// that needs. `z` is zeroed. Level 1 to 9. deflateEnd() is the caller's. 0 or -ENOMEM.
must_check int gzip_open(struct z_stream_s *z, int level, size_t expected);
