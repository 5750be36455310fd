// SPDX-License-Identifier: Apache-2.0
//
// A table for people: cells are put where they belong, and columns become as wide as what stands in
// them. Names that come from elsewhere (an interface, a mount point) can't play with the terminal:
// control characters are shown as '?'.
#pragma once

#include <stdio.h>

#include "lib/base/compiler.h"

#define GRID_COLUMNS_MAX 8

struct grid {
    char **cells; // rows * columns; NULL: empty
    unsigned columns, rows;
    int failed; // -ENOMEM when something is missing
};

void grid_init(struct grid *g, unsigned columns);
void grid_free(struct grid *g);
// Makes rows as needed. What stood there is replaced.
void grid_put(struct grid *g, unsigned row, unsigned column, const char *fmt, ...)
    printf_like(4, 5);
// 0, or -ENOMEM when it could not be put together.
must_check int grid_print(const struct grid *g, FILE *out);
