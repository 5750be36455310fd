// SPDX-License-Identifier: Apache-2.0
//
// The Priority field and the value in a PRIORITY_UPDATE frame (RFC 9218, 4): a dictionary of
// structured fields (RFC 9651, 3.2) of which two keys mean something. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/sv.h"

#define HTTP_URGENCY_MAX 7     // the least urgent; 0 is the most
#define HTTP_URGENCY_DEFAULT 3

struct http_priority {
    uint8_t urgency;  // 0 to HTTP_URGENCY_MAX
    bool incremental; // parts of it are of use, so that it may share with others
};

#define HTTP_PRIORITY_DEFAULT ((struct http_priority){HTTP_URGENCY_DEFAULT, false})

// Sets in *p what the value says, and nothing else: a header changes what was there, a frame
// replaces it, so begin with HTTP_PRIORITY_DEFAULT for that. False when the value is malformed,
// with *p as it was: then all of it is to be ignored. Unknown keys, parameters, and values out of
// range or of another type are passed over (RFC 9218, 4); of a key that stands there twice the last
// counts, whatever it is worth. Several field lines are one value, joined with commas (RFC 9110,
// 5.3). Bytes of a display string are not looked at for being UTF-8.
bool http_priority_parse(struct sv value, struct http_priority *p);
