// SPDX-License-Identifier: Apache-2.0
//
// Files below a temporary root, as tests put them there.
#pragma once

#include <criterion/criterion.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/compiler.h"

static char root[64];

static __attribute__((unused)) void make_root(void)
{
    snprintf(root, sizeof(root), "/tmp/doctor_test.XXXXXX");
    cr_assert_not_null(mkdtemp(root));
}

static __attribute__((unused)) void remove_root(void)
{
    char command[96];

    snprintf(command, sizeof(command), "rm -rf %s", root);
    cr_expect_eq(system(command), 0);
}

static void put(const char *path, const char *fmt, ...) printf_like(2, 3);
static void put(const char *path, const char *fmt, ...)
{
    char full[PATH_MAX];
    va_list args;

    snprintf(full, sizeof(full), "%s%s", root, path);
    for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        if (access(full, F_OK) != 0)
            cr_assert_eq(mkdir(full, 0755), 0, "%s", full);
        *p = '/';
    }
    FILE *f = fopen(full, "we");
    cr_assert_not_null(f, "%s", full);
    va_start(args, fmt);
    vfprintf(f, fmt, args);
    va_end(args);
    fclose(f);
}

static __attribute__((unused)) void drop(const char *path)
{
    char full[PATH_MAX];

    snprintf(full, sizeof(full), "%s%s", root, path);
    cr_assert_eq(remove(full), 0, "%s", path);
}

// What a file of the root has now.
static __attribute__((unused)) const char *now(const char *path)
{
    static char text[8192];
    char full[PATH_MAX];

    snprintf(full, sizeof(full), "%s%s", root, path);
    FILE *f = fopen(full, "re");
    if (f == NULL)
        return "(none)";
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    return text;
}
