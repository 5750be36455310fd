// SPDX-License-Identifier: Apache-2.0
//
// What filters share.
#pragma once

#include "lib/base/hash.h"
#include "lib/http/cond.h"

struct request;

// Is the type in a list that `charset_types` or `gzip_types` has made ("*": any)?
bool type_is_listed(const struct strmap *types, struct sv type);

// Statuses of which add_header and add_trailer speak without `always`.
bool status_is_plain(unsigned status);

void read_conditions(const struct request *r, struct cond_headers *h, struct cond_validators *v);
