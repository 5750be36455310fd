// SPDX-License-Identifier: Apache-2.0
//
// Request-target to path (RFC 9112, 3.2; RFC 3986, 5.2.4 and 6.2.2), as nginx does it: one
// percent-decoding, dot segments removed, slashes merged on demand. Pure.
#pragma once

#include "lib/base/arena.h"
#include "lib/base/sv.h"

struct uri {
    // In absolute-form only, else empty; views into the target. What host_parse says of the
    // authority is the caller's to ask.
    struct sv scheme, authority;

    // Path, query and fragment as sent: nginx's $request_uri, which for absolute-form has neither
    // scheme nor authority ("/" or "?a=b" when the path was empty). A view.
    struct sv raw;

    // Decoded and normalised, begins with '/'; a view into the target when nothing had to change,
    // else a copy in the arena. May hold any byte but NUL.
    struct sv path;

    struct sv args; // after '?', undecoded, without fragment; view
    bool has_query; // a '?' was there, even if nothing follows
};

// `target` must live as long as *out. 0, -EINVAL (bad escape, NUL, control character, above the
// root, not a path: answer 400), -ENOMEM.
must_check int uri_parse(struct sv target, bool merge_slashes, struct arena *a, struct uri *out);

// Extension of the last path segment, without its dot; empty when there is none.
struct sv uri_extension(struct sv path);

// Escapes what may not stand in a Location path (nginx's NGX_ESCAPE_URI). A copy in `a` only when
// needed; p == NULL when memory is out.
struct sv uri_escape(struct sv path, struct arena *a);

// True with *value, a view of `args`: the value of query argument `name` (first one, undecoded;
// name is case-insensitive as in nginx's $arg_).
bool uri_arg(struct sv args, struct sv name, struct sv *value);

// Host header or authority to a host name: lower case, without port and trailing dot, as nginx's
// ngx_http_validate_host. A view of `authority`, or a copy in `a`. 0, -EINVAL for what cannot be a
// host, -ENOMEM. `*port` is 0 when there was none.
must_check int host_parse(struct sv authority, struct arena *a, struct sv *host, uint16_t *port);
