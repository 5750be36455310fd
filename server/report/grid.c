// SPDX-License-Identifier: Apache-2.0
#include "server/report/grid.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"

void grid_init(struct grid *g, unsigned columns)
{
    check(columns > 0 && columns <= GRID_COLUMNS_MAX);
    *g = (struct grid){.columns = columns};
}

void grid_free(struct grid *g)
{
    for (size_t i = 0; i < (size_t)g->rows * g->columns; i++)
        free(g->cells[i]);
    free(g->cells);
    *g = (struct grid){.columns = 1};
}

static int grow(struct grid *g, unsigned rows)
{
    size_t old = (size_t)g->rows * g->columns, all = (size_t)rows * g->columns;

    if (rows <= g->rows)
        return 0;
    char **cells = realloc(g->cells, all * sizeof(*cells));
    if (cells == NULL)
        return -ENOMEM;
    memset(cells + old, 0, (all - old) * sizeof(*cells));
    g->cells = cells;
    g->rows = rows;
    return 0;
}

static void disarm(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
    }
}

void grid_put(struct grid *g, unsigned row, unsigned column, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    check(column < g->columns);
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    if (n < 0 || grow(g, row + 1) != 0) {
        g->failed = -ENOMEM;
        free(n < 0 ? NULL : text);
        return;
    }
    disarm(text);
    char **cell = &g->cells[(size_t)row * g->columns + column];
    free(*cell);
    *cell = text;
}

// Characters, where a byte of UTF-8 that continues one is none.
static unsigned width(const char *text)
{
    unsigned n = 0;

    for (; text != NULL && *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void print_row(const struct grid *g, unsigned row, const unsigned *widths, FILE *out)
{
    unsigned pad = 0;

    for (unsigned c = 0; c < g->columns; c++) {
        const char *text = g->cells[(size_t)row * g->columns + c];

        // Blanks are written when something follows, so that no line ends in them.
        if (text != NULL && *text != '\0') {
            fprintf(out, "%*s%s", (int)pad, "", text);
            pad = 0;
        }
        pad += widths[c] - width(text) + 2;
    }
    fputc('\n', out);
}

int grid_print(const struct grid *g, FILE *out)
{
    unsigned widths[GRID_COLUMNS_MAX] = {0};

    if (g->failed != 0)
        return g->failed;
    for (size_t i = 0; i < (size_t)g->rows * g->columns; i++)
        widths[i % g->columns] = max_of(widths[i % g->columns], width(g->cells[i]));
    for (unsigned row = 0; row < g->rows; row++)
        print_row(g, row, widths, out);
    return 0;
}
