// SPDX-License-Identifier: Apache-2.0
//
// charset, source_charset and charset_map as configured.
#pragma once

#include "lib/base/hash.h"
#include "lib/conf/template.h"
#include "lib/http/charset.h"

struct charset_conf {        // of a location
    struct template *name;   // NULL: off
    struct template *source; // NULL: bodies are not recoded
    struct strmap *types;
};

struct charset_pair { // one charset_map block
    struct sv first, second;
    struct charset_map map;
    struct charset_pair *next;
};

// The block that leads from one set to the other; *backward when it has them in the other order.
// NULL when there is none. Names know no case.
const struct charset_pair *charset_pair_find(const struct charset_pair *pairs, struct sv from,
                                             struct sv to, bool *backward);
