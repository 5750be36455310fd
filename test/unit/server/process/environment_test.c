// SPDX-License-Identifier: Apache-2.0
#include "server/process/environment.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "server/config/config.h"

static char *const from[] = {"PATH=/bin", "TZ=UTC", "TZDIR=/x", "HOME=/root", NULL};

Test(environment, only_the_time_zone_without_env_lines)
{
    char **env = environment_make(NULL, from, NULL);

    cr_assert_str_eq(env[0], "TZ=UTC");
    cr_assert_null(env[1]);
    free(env);
}

Test(environment, names_are_inherited_and_values_are_set)
{
    struct env_line absent = {"NOT_THERE", NULL};
    struct env_line set = {"HOME=/srv", &absent};
    struct env_line name = {"PATH", &set};
    char **env = environment_make(&name, from, "NGINX=3;");

    cr_assert_str_eq(env[0], "PATH=/bin");
    cr_assert_str_eq(env[1], "HOME=/srv");
    cr_assert_str_eq(env[2], "TZ=UTC");
    cr_assert_str_eq(env[3], "NGINX=3;");
    cr_assert_null(env[4]);
    free(env);
}

Test(environment, an_env_line_for_the_time_zone_replaces_ours)
{
    struct env_line tz = {"TZ=Asia/Tokyo", NULL};
    char **env = environment_make(&tz, from, NULL);

    cr_assert_str_eq(env[0], "TZ=Asia/Tokyo");
    cr_assert_null(env[1]);
    free(env);
}

Test(environment, a_longer_name_with_the_same_beginning_is_another)
{
    char *const only_longer[] = {"TZDIR=/x", NULL};
    char **env = environment_make(NULL, only_longer, NULL);

    cr_assert_null(env[0]);
    free(env);
}
