// SPDX-License-Identifier: Apache-2.0
//
// The bytes an OCSP responder sent: HTTP/1.x with one DER element as its body (RFC 6960, A.2).
// Pure. OpenSSL's own client (OSSL_HTTP_REQ_CTX_nbio(3)) is of no use here: in 3.0 it forgets the
// content type when the head comes in pieces, and later ones take a body with an error status.
#pragma once

#include "lib/base/compiler.h"
#include "lib/base/sv.h"

#define STAPLE_WHY_MAX 256

// 0 with *body a view of all of the DER, -EAGAIN when more is needed, or -EINVAL with `why`
// (STAPLE_WHY_MAX bytes). What follows the DER does not matter.
must_check int staple_reply_parse(struct sv reply, struct sv *body, char *why);
