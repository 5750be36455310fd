// SPDX-License-Identifier: Apache-2.0
#include "server/report/grid.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static void expect_grid(const struct grid *g, const char *text)
{
    char *output;
    size_t size;
    FILE *out = open_memstream(&output, &size);

    cr_expect_eq(grid_print(g, out), 0);
    fclose(out);
    cr_expect_str_eq(output, text);
    free(output);
}

Test(grid, columns_are_as_wide_as_their_widest_cell)
{
    struct grid g;

    grid_init(&g, 3);
    grid_put(&g, 0, 0, "a");
    grid_put(&g, 0, 1, "bbb");
    grid_put(&g, 0, 2, "c");
    grid_put(&g, 2, 2, "%d", 42);
    grid_put(&g, 2, 0, "aaaa");
    expect_grid(&g, "a     bbb  c\n\naaaa       42\n");
    grid_put(&g, 2, 2, "%s", "");
    grid_put(&g, 1, 1, "x");
    expect_grid(&g, "a     bbb  c\n      x\naaaa\n");
    grid_free(&g);
    grid_free(&g);
}

Test(grid, width_counts_characters_and_control_characters_are_shown)
{
    struct grid g;

    grid_init(&g, 2);
    grid_put(&g, 0, 0, "\xc3\xa9\xe2\x82\xac");
    grid_put(&g, 0, 1, "|");
    grid_put(&g, 1, 0, "\033\x7f");
    grid_put(&g, 1, 1, "|");
    expect_grid(&g, "\xc3\xa9\xe2\x82\xac  |\n??  |\n");
    grid_free(&g);
}
