// SPDX-License-Identifier: Apache-2.0
//
// Directives are table rows: name, contexts, argument shape, field, default, merge rule. The engine
// walks a parsed tree with such a table; what contexts and fields mean is the program's.
#pragma once

#include "lib/conf/parse.h"
#include "lib/conf/template.h"

#define CONF_LEVELS 4 // structures a frame can fill: main, http, server, location

// Numbers, sizes, times, flags and enumerations are all int64_t fields; -1 is "not set".
#define CONF_UNSET (-1)
// Pointers not set (NULL means "set to nothing", as by `off`).
#define CONF_UNSET_PTR ((void *)-1)

enum {
    CONF_ARGS_0 = 1 << 0,
    CONF_ARGS_1 = 1 << 1,
    CONF_ARGS_2 = 1 << 2,
    CONF_ARGS_3 = 1 << 3,
    CONF_ARGS_4 = 1 << 4,
    CONF_ARGS_1MORE = 1 << 8,  // one or more
    CONF_ARGS_2MORE = 1 << 9,
    CONF_ARGS_ANY = 1 << 10,
    CONF_BLOCK = 1 << 11,      // must be a block
    CONF_ON_OFF = 1 << 12,     // one argument, on or off
};

enum conf_merge_rule {
    CONF_MERGE_NONE,  // the directive's own set-up code looks after it
    CONF_MERGE_INT,   // int64_t: inherit when CONF_UNSET, else default_int
    CONF_MERGE_SV,    // struct sv: inherit when p == NULL, else default_sv
    CONF_MERGE_PTR,   // pointer: inherit when CONF_UNSET_PTR, else default (NULL)
};

struct conf_apply;
struct conf_directive;

// Where values of the current block go.
struct conf_frame {
    uint32_t context;          // one bit: which block we are in
    void *level[CONF_LEVELS];  // structures that rows' `level` indexes
    struct conf_frame *parent; // enclosing block's frame; NULL at the top
};

// 0, or -EINVAL with ap->error filled (conf_fail), or -ENOMEM. `field` is frame->level[row->level]
// + row->offset.
typedef int conf_setter(struct conf_apply *ap, const struct conf_directive *row,
                        const struct conf_node *node, void *field);
typedef conf_setter *conf_set_fn;

struct conf_enum {
    const char *name;
    int64_t value;
};

enum conf_class {
    CONF_SUPPORTED,
    // Accepted, one notice at -t: has no meaning here; `reason` says why. Where `args` is 0, any
    // arguments and a block with anything in it are accepted.
    CONF_IGNORED,
    CONF_REJECTED, // refused by name; `reason` says why
};

struct conf_directive {
    const char *name;
    uint32_t contexts; // bits; CONF_CONTEXT_ANY for all
    uint32_t args;
    conf_set_fn set;
    uint8_t level;
    uint8_t klass;          // enum conf_class
    uint8_t merge;          // enum conf_merge_rule
    size_t offset;
    const void *aux;        // for the setter: struct conf_enum table, ...
    int64_t default_int;
    const char *default_sv;
    const char *reason;     // for CONF_IGNORED and CONF_REJECTED: one clause
};

#define CONF_CONTEXT_ANY UINT32_MAX

// A directive may stand in several rows (`server` in http and in upstream): the first whose
// contexts fit is taken; if none fits: "\"x\" directive is not allowed here".
struct conf_schema {
    const struct conf_directive *const *tables; // each ended by a row without name
    size_t ntables;
    // Whole families of names, consulted when no row has a name; ended by one without prefix. May
    // be NULL.
    const struct conf_family *families;
};

// Directives that are refused by the beginning of their name.
struct conf_family {
    const char *prefix;
    const char *reason; // one clause
};

struct conf_apply {
    struct arena *arena; // configuration arena
    const struct conf_schema *schema;
    struct conf_frame *frame; // current
    struct var_registry *vars;
    struct conf_error *error;
    void *program;            // the program's own state
    // Told of every CONF_IGNORED directive; may be NULL.
    void (*notice)(struct conf_apply *ap, const struct conf_node *node,
                   const struct conf_directive *row);
};

// Applies `first` and its siblings in the current frame. 0, -EINVAL, -ENOMEM. Messages are nginx's:
// unknown directive, is not allowed here, invalid number of arguments in, has no opening "{",
// directive is duplicate, invalid value, it must be "on" or "off".
must_check int conf_apply_nodes(struct conf_apply *ap, const struct conf_node *first);
// Applies a block's children in a new frame.
must_check int conf_apply_block(struct conf_apply *ap, const struct conf_node *block,
                                struct conf_frame *frame);
// conf_head_fn with a struct conf_schema as ctx: refuses unknown and rejected names while parsing.
// Inside blocks whose content is data (types, map, ...; rows with CONF_BLOCK whose aux is
// conf_data_block) nothing is checked.
int conf_schema_head(void *schema, const struct conf_node *node, struct conf_error *error);
extern const char conf_data_block[];

// Sets every field of `level` in `fresh` (zeroed) that has a merge rule to "not set".
void conf_unset(const struct conf_schema *schema, unsigned level, void *fresh);
// Fills what `child` has not set from `parent` (NULL: from defaults) by the rows' rules.
void conf_merge(const struct conf_schema *schema, unsigned level, const void *parent, void *child);

// Generic setters; each refuses a second occurrence in the same block ("directive is duplicate").
// Fields: int64_t of bytes (size, offset), milliseconds (msec), seconds (sec), 0 or 1 (flag), a
// value of the row's aux (enum); struct sv, a view of the word; struct template *.
conf_setter conf_set_flag, conf_set_number, conf_set_size, conf_set_offset, conf_set_msec,
    conf_set_sec, conf_set_sv, conf_set_enum, conf_set_template;
