// SPDX-License-Identifier: Apache-2.0
//
// A terminal that is drawn on again and again: its size, keys without Enter, signals as events.
// What it was before comes back at the end.
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <termios.h>

#include "lib/base/compiler.h"

struct terminal {
    FILE *out;
    int signal_fd;
    sigset_t mask_before;
    bool has_keys; // standard input is the terminal, too
    struct termios before;
};

enum terminal_event {
    TERMINAL_NOTHING, // the time is over
    TERMINAL_RESIZED,
    TERMINAL_END, // q, Ctrl-C, a signal that ends programs, or the terminal went away
};

// Can `out` be drawn on: a terminal, and not one that is called dumb.
bool terminal_is(FILE *out);
// 0 or -errno, and then nothing is changed.
must_check int terminal_open(struct terminal *t, FILE *out);
void terminal_close(struct terminal *t);

// Columns and rows; 80 and 24 where nobody knows.
void terminal_size(FILE *out, unsigned *columns, unsigned *rows);
// Draws lines from the top; those that find no room are left out.
void terminal_draw(const struct terminal *t, const char *text);
enum terminal_event terminal_wait(const struct terminal *t, unsigned ms);
