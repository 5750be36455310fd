// SPDX-License-Identifier: Apache-2.0
//
// For tests that look whether something stays open.
#pragma once

#include <criterion/criterion.h>
#include <dirent.h>

// Descriptors of this process, less the one that counts.
static inline unsigned count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    cr_assert_not_null(d);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n - 3;
}
