// SPDX-License-Identifier: Apache-2.0
//
// What the configuration says of responses: headers and trailers, expires, error pages, and what
// `return` and `try_files` answer.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/sv.h"
#include "lib/conf/template.h"

struct header_row {         // add_header, add_trailer
    struct sv name;
    struct template *value; // empty value: none is sent
    bool always;
    struct header_row *next;
};

enum expires_mode {
    EXPIRES_OFF, EXPIRES_EPOCH, EXPIRES_MAX, EXPIRES_ACCESS, EXPIRES_MODIFIED, EXPIRES_DAILY,
};

struct expires {
    enum expires_mode mode;
    int64_t seconds;
    struct template *value; // `expires $variable`; parsed when evaluated
};

struct error_page {
    unsigned status;        // that it is for
    // -1: keep; 0: "=" alone, the page's own status; else the code after "=".
    int overwrite;
    struct template *uri;   // URI, @name or absolute URL
    bool named;
    struct error_page *next;
};

struct try_file {
    struct template *name;
    bool directory;         // had a trailing slash
    int status;             // last one "=404", else 0
    bool named;             // last one "@name"
};

struct return_rule {
    unsigned status;
    struct template *text;  // NULL: none
    bool redirect;          // text is a URL (status 301, 302, 303, 307, 308)
};
