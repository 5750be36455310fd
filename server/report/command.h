// SPDX-License-Identifier: Apache-2.0
//
// Runs a command without a shell, and prints one so that a shell takes it as it is. The names of
// interfaces are whatever somebody gave them, escape sequences included: what is not plain is
// quoted, and what does not print is spelt out ($'...' of bash).
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "lib/base/compiler.h"

// Searched in PATH, then where Debian keeps what root runs. Its two outputs go to `said`, cut to
// size, terminated, without the last line end; it has no input. *status: the exit status, or 128
// and the signal's number. 0 or -errno (-ENOENT: there is no such program).
must_check int command_run(const char *const *argv, char *said, size_t size, int *status);

void command_print_word(const char *word, size_t n, FILE *out);
void command_print_words(const char *const *argv, FILE *out); // one line, with its end
