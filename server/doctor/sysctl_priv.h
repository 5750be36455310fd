// SPDX-License-Identifier: Apache-2.0
//
// Settings that are good or bad by themselves: one number in one file.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct doctor;
struct check;

// Good is what lies from `least` to `most`.
struct setting {
    const char *path;
    int64_t least, most;
    const char *better; // what to write
};

// True when the file is there. `where` names the subject for the reader.
bool setting_look(struct doctor *d, const struct check *c, const char *where,
                  const struct setting *s);
