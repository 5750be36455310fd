// SPDX-License-Identifier: Apache-2.0
//
// `millrace --status`: the counters of a running master, read from its memory. It asks nobody and
// costs the server nothing.
#pragma once

#include <stdbool.h>
#include <stdio.h>

#define STATUS_INTERVAL_MS 1000

// On a terminal: drawn anew each interval until q or Ctrl-C; the master that the pid file names is
// followed when it changes. Elsewhere, or with `once`: one table, with the rates of one interval.
// With `json`: the counters at once, in the status location's form. interval_ms 0 is the default.
// An exit code; what is wrong goes to standard error.
int status_command(const char *pid_path, unsigned interval_ms, bool once, bool json, FILE *out);
