// SPDX-License-Identifier: Apache-2.0
#include "server/process/fd_list.h"

#include <criterion/criterion.h>
#include <stdlib.h>

Test(fd_list, comes_back_as_it_was_written)
{
    struct fd_list l = {.n = 0}, again = {.n = 0};
    const char *bad;
    char *text;

    for (int fd = 3; fd < 100; fd++)
        cr_assert_eq(fd_list_add(&l, fd), 0);
    cr_assert_eq(fd_list_add(&l, 2147483647), 0);
    text = fd_list_format(&l);
    cr_assert_not_null(text);
    cr_assert_eq(strncmp(text, "NGINX=3;4;5;", 12), 0);
    cr_assert_eq(fd_list_parse(text + 6, &again, &bad), 0);
    cr_assert_null(bad);
    cr_assert_eq(again.n, l.n);
    cr_assert_arr_eq(again.at, l.at, l.n * sizeof(int));
    free(text);
    fd_list_free(&l);
    fd_list_free(&again);
}

Test(fd_list, of_nothing_is_empty)
{
    struct fd_list l = {.n = 0};
    const char *bad;
    char *text = fd_list_format(&l);

    cr_assert_str_eq(text, "NGINX=");
    cr_assert_eq(fd_list_parse("", &l, &bad), 0);
    cr_assert(bad == NULL && l.n == 0);
    free(text);
}

Test(fd_list, colons_end_a_number_too)
{
    struct fd_list l = {.n = 0};
    const char *bad;

    cr_assert_eq(fd_list_parse("6:7;", &l, &bad), 0);
    cr_assert(bad == NULL && l.n == 2 && l.at[0] == 6 && l.at[1] == 7);
    fd_list_free(&l);
}

Test(fd_list, what_is_no_number_ends_it_and_is_pointed_to)
{
    static const char *const cases[][2] = {
        {"6;x;7;", "x;7;"}, {"6;7", "7"}, {"6;;", ";"}, {"6;-1;", "-1;"},
        {"6;99999999999;", "99999999999;"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fd_list l = {.n = 0};
        const char *bad;

        cr_assert_eq(fd_list_parse(cases[i][0], &l, &bad), 0);
        cr_assert_str_eq(bad, cases[i][1]);
        cr_assert(l.n == 1 && l.at[0] == 6);
        fd_list_free(&l);
    }
}
