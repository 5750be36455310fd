// SPDX-License-Identifier: Apache-2.0
//
// Perl-compatible regular expressions (PCRE2) compiled once at load and matched by many threads.
#pragma once

#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/sv.h"

#define REGEX_CAPTURES 20       // groups that are kept, the whole match included
#define REGEX_MATCH_LIMIT 100000 // PCRE2 steps: a pattern may not be used to stall a worker

struct regex_group {
    struct sv name;
    unsigned number;
};

struct regex {
    void *code;              // pcre2_code; until regex_free()
    struct sv pattern;       // as written; borrowed
    unsigned ngroups;        // capturing groups
    unsigned nnamed;
    struct regex_group *named; // arena
};

struct regex_match {
    unsigned count;                   // groups set, the whole match included; 0: no match
    uint32_t at[REGEX_CAPTURES][2];   // start and end in the subject; UINT32_MAX: not set
};

// pcre2_compile(3). `nocase`: case does not matter. *out is in `a`, what PCRE2 holds for it is not:
// see regex_free(). 0, -EINVAL (`why`, at least 256 bytes, says what and where), -ENOMEM.
must_check int regex_compile(struct arena *a, struct sv pattern, bool nocase, struct regex **out,
                             char *why, size_t why_size);
// Frees what is not in the arena; no thread may be matching.
void regex_free(struct regex *re);
// pcre2_match(3); thread-safe. True when it matches. `m` may be NULL; its offsets are bytes of
// `subject`, of the first REGEX_CAPTURES groups. A subject that exceeds the limits does not match.
bool regex_exec(const struct regex *re, struct sv subject, struct regex_match *m);
// Frees what matching keeps for the calling thread. The thread may match again afterwards.
void regex_thread_end(void);
