// SPDX-License-Identifier: Apache-2.0
//
// Validators and conditional requests (RFC 9110, 8.8 and 13) as nginx's not_modified filter
// evaluates them.
#pragma once

#include "lib/base/sv.h"

#define ETAG_MAX 40 // bytes an ETag of ours takes at most, quotes included

// nginx's form: "\"%xT-%xO\"" of mtime in seconds and size. Returns the length; not terminated.
size_t etag_format(int64_t mtime_s, uint64_t size, char out[ETAG_MAX]);

// Is `etag` in the list of an If-Match or If-None-Match header? "*" matches any. Weak comparison
// ignores W/; strong comparison (`weak` false) never matches a weak tag.
bool etag_list_has(struct sv list, struct sv etag, bool weak);

// IMF-fixdate, RFC 850 and asctime forms (RFC 9110, 5.6.7), to seconds since the epoch. 0, or
// -EINVAL for anything else.
must_check int http_date_parse(struct sv text, int64_t *unix_s);

enum ims_mode { IMS_OFF, IMS_EXACT, IMS_BEFORE }; // if_modified_since

// A view with p == NULL means the header was not there.
struct cond_headers {
    struct sv if_match, if_none_match, if_modified_since, if_unmodified_since, if_range;
};

struct cond_validators {
    struct sv etag;    // empty when there is none
    int64_t mtime_s;   // -1 when unknown
    enum ims_mode mode;
};

// 0 (go on), 304 or 412: RFC 9110, 13.2.2, in nginx's order of tests.
int cond_evaluate(const struct cond_headers *h, const struct cond_validators *v);

// May Range be honoured? True when there is no If-Range or it matches (strong comparison or exact
// date; RFC 9110, 13.1.5).
bool cond_if_range(const struct cond_headers *h, const struct cond_validators *v);
