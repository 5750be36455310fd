// SPDX-License-Identifier: Apache-2.0
//
// Machines made up as trees of files, as a capture of /sys would be. The devices lie where the
// kernel puts them (sys/devices/pci...), and what is in sys/class and sys/block are links.
#pragma once

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char tree[64]; // the root

static inline void tree_begin(void)
{
    snprintf(tree, sizeof(tree), "/tmp/millrace-tree-XXXXXX");
    cr_assert_not_null(mkdtemp(tree));
}

static inline int tree_remove_one(const char *path, const struct stat *st, int kind, struct FTW *f)
{
    (void)st, (void)kind, (void)f;
    return remove(path);
}

static inline void tree_end(void)
{
    cr_expect_eq(nftw(tree, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

// The path below the root, with the folders above it.
__attribute__((format(printf, 2, 0)))
static inline void tree_path(char out[512], const char *fmt, va_list args)
{
    int n = snprintf(out, 512, "%s/", tree);

    vsnprintf(out + n, (size_t)(512 - n), fmt, args);
    for (char *p = out + n; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        mkdir(out, 0755);
        *p = '/';
    }
}

__attribute__((format(printf, 2, 3)))
static inline void tree_put(const char *text, const char *fmt, ...)
{
    char path[512];
    va_list args;

    va_start(args, fmt);
    tree_path(path, fmt, args);
    va_end(args);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f, "%s", path);
    fprintf(f, "%s\n", text);
    fclose(f);
}

__attribute__((format(printf, 2, 3)))
static inline void tree_link(const char *target, const char *fmt, ...)
{
    char path[512];
    va_list args;

    va_start(args, fmt);
    tree_path(path, fmt, args);
    va_end(args);
    cr_assert_eq(symlink(target, path), 0, "%s", path);
}

static inline void tree_number(int value, const char *dir, const char *file)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", value);
    tree_put(text, "%s/%s", dir, file);
}

static inline void tree_node(int id, const char *cpus, unsigned mib)
{
    char text[64];

    snprintf(text, sizeof(text), "Node %d MemTotal: %u kB", id, mib * 1024);
    tree_put(cpus, "sys/devices/system/node/node%d/cpulist", id);
    tree_put(text, "sys/devices/system/node/node%d/meminfo", id);
}

static inline void tree_nodes(const char *list)
{
    tree_put(list, "sys/devices/system/node/online");
}
