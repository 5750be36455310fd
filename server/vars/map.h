// SPDX-License-Identifier: Apache-2.0
//
// `map`: a variable whose value is looked up by the value of others. Exact keys first, then (with
// `hostnames`) wildcards, the longest at the head and then at the tail, then regular expressions in
// their order, then the default.
#pragma once

#include "lib/base/hash.h"
#include "lib/base/regex.h"
#include "lib/conf/template.h"

struct map_regex {
    struct regex *regex;
    const struct var **captures; // of named groups
    struct template *value;
};

// Configuration arena.
struct map {
    struct template *source;
    struct strmap exact; // -> struct template; case does not count
    struct strmap head;  // "*.example.com" keyed "example.com"
    struct strmap tail;  // "www.example.*" keyed "www.example"
    struct map_regex *regexes;
    unsigned nregexes;
    struct template *fallback; // NULL: the empty string
    bool hostnames, is_volatile;
};

// Room for so many lines. -ENOMEM.
must_check int map_init(struct map *m, struct arena *a, unsigned lines);
// An exact key, or with m->hostnames perhaps a wildcard. 0, -EEXIST, -EINVAL for a bad wildcard.
must_check int map_add(struct map *m, struct sv key, struct template *value);

// The value for a key, NULL for the default; of a regular expression's value *regex tells which.
// Pure.
const struct template *map_find(const struct map *m, struct sv key,
                                const struct map_regex **regex, struct regex_match *match);

// var_get_fn with a struct map in v->data and a request as ctx.
bool map_get(void *ctx, const struct var *v, struct sv *out);
