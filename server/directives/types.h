// SPDX-License-Identifier: Apache-2.0
//
// What nginx takes where nothing is configured.
#pragma once

#include "lib/base/hash.h"

// html, gif and jpg. -ENOMEM.
must_check int types_default(struct arena *a, struct strmap **out);
// The types that `charset` applies to. -ENOMEM.
must_check int charset_types_default(struct arena *a, struct strmap **out);
