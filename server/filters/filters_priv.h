// SPDX-License-Identifier: Apache-2.0
//
// What the conditional filters share.
#pragma once

#include "lib/http/cond.h"

struct request;

void read_conditions(const struct request *r, struct cond_headers *h, struct cond_validators *v);
