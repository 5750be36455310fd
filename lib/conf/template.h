// SPDX-License-Identifier: Apache-2.0
//
// Values with variables, compiled once at load: "https://$host$request_uri". What a variable means
// is the program's business: it registers them, and reads them when a template is evaluated.
#pragma once

#include "lib/base/arena.h"
#include "lib/base/hash.h"
#include "lib/base/sv.h"
#include "lib/conf/parse.h"

struct var;

// Reads a variable of `ctx` (the program's request). true with *out set when it has a value. *out
// must stay valid until the request ends (request arena, connection, or configuration).
typedef bool (*var_get_fn)(void *ctx, const struct var *v, struct sv *out);
// For `set` and the like; NULL when the variable cannot be assigned.
typedef void (*var_set_fn)(void *ctx, const struct var *v, struct sv value);

enum {
    VAR_CACHED = 1,     // the program keeps the value for the request's life at `slot`
    VAR_CHANGEABLE = 2, // may be defined again (set, map, named captures)
    VAR_PREFIX = 4,     // name is a prefix: http_, arg_, ...; see `suffix`
    VAR_WEAK = 8,       // referred to, not defined yet: an error if it stays so
};

struct var {
    struct sv name;    // without '$'
    struct sv suffix;  // for a resolved prefix variable: what follows the prefix
    var_get_fn get;
    var_set_fn set;
    uintptr_t data;    // the getter's own
    uint32_t flags;
    uint32_t slot;     // index into the request's cache; 0 when not cached
    const struct conf_node *first_use; // for the error message; may be NULL
    struct var *next;  // registration order
};

struct var_registry {
    struct arena *arena; // configuration arena
    struct strmap by_name;
    struct var *prefixes; // those with VAR_PREFIX
    struct var *all;
    uint32_t slots;       // next free cache slot; slot 0 is never used
};

// Empty, in `a`, which is the configuration's. 0 or -ENOMEM.
must_check int var_registry_init(struct var_registry *vr, struct arena *a);
// Defines `proto` (copied) or completes a weak reference. Names are case-insensitive. -EEXIST when
// defined and not changeable, -EINVAL for an empty name, -ENOMEM. `out` may be NULL. Prefixes are
// defined before any name is referred to; of several that fit, the longest counts, and a name
// defined in its own right goes before them.
must_check int var_define(struct var_registry *vr, const struct var *proto, struct var **out);
// Finds or makes a (weak) reference to `name`. NULL when memory is out.
struct var *var_refer(struct var_registry *vr, struct sv name, const struct conf_node *use);
// After loading: any reference without definition is `unknown "name" variable`. 0 or -EINVAL.
must_check int var_registry_check(const struct var_registry *vr, struct conf_error *error);

struct template_part {
    struct sv literal;      // when var == NULL and capture < 0
    const struct var *var;
    int capture;            // $0..$9, else -1
};

struct template {
    struct sv source;       // as written
    bool constant;          // no variables: `literal` is the value
    struct sv literal;
    uint32_t nparts;
    struct template_part *parts;
};

// How the program reads values during evaluation: false when there is none. *out must live as long
// as the result. `n` is 0 to 9.
struct template_reader {
    bool (*read)(void *ctx, const struct var *v, struct sv *out);
    bool (*capture)(void *ctx, int n, struct sv *out);
};

// 0, -EINVAL ("invalid variable name ...") or -ENOMEM. In `vr->arena`.
must_check int template_compile(struct var_registry *vr, struct sv text,
                                const struct conf_node *node, struct template **out,
                                struct conf_error *error);
// A variable without value contributes nothing. 0 or -ENOMEM. The result is in `a`, or a view of
// what the one part gave.
must_check int template_eval(const struct template *t, const struct template_reader *reader,
                             void *ctx, struct arena *a, struct sv *out);
