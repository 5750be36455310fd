// SPDX-License-Identifier: Apache-2.0
//
// The command line, option for option as nginx has it, long options beside them for what nginx has
// not, and the paths that follow. Pure: opens nothing and prints nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/compiler.h"

// What to do instead of serving; one row of the table in cmdline.c each.
enum cmdline_mode {
    CMD_SERVE,
    CMD_TOPOLOGY,
    CMD_STATUS,
    CMD_DOCTOR,
    CMD_EGRESS_RULES,
    CMD_MODES, // how many
};

struct cmdline {
    bool version, help, configure; // -v, -h or -?, -V
    bool test, dump, quiet;        // -t, -T, -q
    // As given, borrowed from argv; NULL when not given.
    const char *prefix, *error_log, *conf_file, *globals;
    const char *signal; // stop, quit, reopen or reload

    enum cmdline_mode mode;
    // Long options that go with modes.
    bool json, apply, undo, once;
    const char *root;
    unsigned interval_ms; // 0: not given
};

// 0, or -EINVAL with what is wrong in `why`, in nginx's words and without a newline.
must_check int cmdline_parse(int argc, char *const argv[], struct cmdline *c, char *why,
                             size_t why_size);

// What the options and the compiled defaults come to; for the life of the process.
struct cmdline_paths {
    char *prefix;    // with its last slash
    char *conf_file; // a relative -c starts from the prefix
    char *error_log; // "stderr", or a path that starts from the prefix when it is relative
};

// 0 or -ENOMEM.
must_check int cmdline_resolve(const struct cmdline *c, struct cmdline_paths *paths);
void cmdline_paths_free(struct cmdline_paths *paths);
