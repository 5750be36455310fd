// SPDX-License-Identifier: Apache-2.0
//
// The rewrite language: `set`, `if`, `return`, `rewrite`, `break` of one block, compiled in order.
#pragma once

#include "lib/base/regex.h"
#include "lib/conf/template.h"
#include "server/config/location_conf.h"

struct request;

enum instruction_kind { DO_SET, DO_IF, DO_RETURN, DO_REWRITE, DO_BREAK };

enum condition_kind {
    IF_VALUE,     // not empty and not "0"
    IF_EQUAL, IF_NOT_EQUAL,
    IF_MATCH, IF_NOT_MATCH, // regex
    IF_FILE, IF_NOT_FILE,   // -f !-f
    IF_DIR, IF_NOT_DIR,     // -d
    IF_EXISTS, IF_NOT_EXISTS, // -e
    IF_EXEC, IF_NOT_EXEC,   // -x
};

struct instruction {
    enum instruction_kind kind;
    const struct var *var;          // set; left side of a condition
    struct template *value;         // set; right side of a condition; file name
    enum condition_kind condition;
    struct regex *regex;            // condition, rewrite
    const struct var **captures;    // named groups of regex
    struct program *body;           // if: what its block says
    // if in a location: the conf that applies inside; NULL at server level.
    struct location_conf *location;
    struct return_rule *ret;
    struct template *replacement;   // rewrite
    enum { REWRITE_NONE, REWRITE_LAST, REWRITE_BREAK, REWRITE_REDIRECT, REWRITE_PERMANENT } flag;
    bool drop_args;                 // replacement ended with "?"
};

struct program {
    struct instruction *at;
    unsigned n, cap;
    unsigned total; // instructions, those of nested `if` bodies included
};

// Runs a block for a request. A phase result (request.h): PHASE_NEXT when it ran through,
// PHASE_WAIT for a file test on a cold disk, a status for `return`, PHASE_RELOCATE is left to the
// phase (request.uri_changed).
int program_run(struct request *r, const struct program *p);
