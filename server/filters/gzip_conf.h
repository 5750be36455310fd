// SPDX-License-Identifier: Apache-2.0
//
// gzip of a location.
#pragma once

#include "lib/base/hash.h"
#include "lib/base/regex.h"

// Which requests that came through a proxy (Via) get a compressed answer.
enum gzip_proxied {
    GZIP_PROXIED_OFF = 1 << 0,
    GZIP_PROXIED_ANY = 1 << 1,
    GZIP_PROXIED_AUTH = 1 << 2,
    GZIP_PROXIED_EXPIRED = 1 << 3,
    GZIP_PROXIED_NO_CACHE = 1 << 4,
    GZIP_PROXIED_NO_STORE = 1 << 5,
    GZIP_PROXIED_PRIVATE = 1 << 6,
    GZIP_PROXIED_NO_LAST_MODIFIED = 1 << 7,
    GZIP_PROXIED_NO_ETAG = 1 << 8,
};

struct gzip_disable {    // clients that get no compressed answer
    struct regex *regex; // of User-Agent
    struct gzip_disable *next;
};

struct gzip_conf {
    int64_t on, level, min_length, vary;
    int64_t http_version; // the least: 10 or 11
    int64_t proxied;      // bits of enum gzip_proxied
    struct strmap *types; // NULL: text/html
    struct gzip_disable *disable; // CONF_UNSET_PTR until merged
};
