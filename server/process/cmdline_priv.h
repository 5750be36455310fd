// SPDX-License-Identifier: Apache-2.0
//
// Long options: "--name", "--name=value" or "--name value". Each is a row of a table, and a mode
// ("--topology") is one of them; the others say with which modes they go.
#pragma once

#include "server/process/cmdline.h"

enum long_kind {
    LONG_MODE,    // the mode itself
    LONG_FLAG,    // bool
    LONG_TEXT,    // const char *
    LONG_SECONDS, // unsigned, milliseconds: "2", "0.5"
};

struct long_option {
    const char *name; // without the dashes
    enum long_kind kind;
    unsigned modes;   // WITH() of those that it goes with; of a LONG_MODE row its own
    size_t offset;    // of the field in struct cmdline; unused by LONG_MODE
    const char *requires; // "directory name"; NULL: takes no value
};

#define WITH(mode) (1u << (mode))

struct long_table {
    const struct long_option *rows;
    size_t count;
};

// One word that begins with "--". `*i` moves when the value is the next word. 0 or -EINVAL.
must_check int cmdline_parse_long(const struct long_table *t, char *const argv[], int *i,
                                  struct cmdline *c, char *why, size_t why_size);
// After the last word: does everything that was given go together? 0 or -EINVAL.
must_check int cmdline_check_long(const struct long_table *t, const struct cmdline *c, char *why,
                                  size_t why_size);
