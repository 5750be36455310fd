// SPDX-License-Identifier: Apache-2.0
//
// Files of sysfs and proc below the doctor's root. What they hold is not trusted: sizes are bounded
// and a file that is not as the kernel writes it is one that says nothing.
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/compiler.h"

struct doctor;

#define TREE_VALUE_MAX 4096

// The whole file, terminated, with its last newline. 0, -E2BIG when it does not fit, -EINVAL for
// one with a zero byte, or -errno.
must_check int tree_read(const struct doctor *d, char *buf, size_t size, const char *fmt, ...)
    printf_like(4, 5);
// The first line, without its newline.
must_check int tree_line(const struct doctor *d, char *buf, size_t size, const char *fmt, ...)
    printf_like(4, 5);
must_check int tree_number(const struct doctor *d, int64_t *value, const char *fmt, ...)
    printf_like(3, 4);
bool tree_has(const struct doctor *d, const char *fmt, ...) printf_like(2, 3);
// CPUs as a list ("0-3,8"), or as words of a mask ("ff,00000000"). 0, -EINVAL or -errno.
must_check int tree_cpu_list(const struct doctor *d, cpu_set_t *cpus, const char *fmt, ...)
    printf_like(3, 4);
must_check int tree_cpu_mask(const struct doctor *d, cpu_set_t *cpus, const char *fmt, ...)
    printf_like(3, 4);
// Numbers that are names in a directory, in order, such as those of processes. How many, at most
// max; 0 also when it cannot be read.
unsigned tree_numbers(const struct doctor *d, unsigned *out, unsigned max, const char *fmt, ...)
    printf_like(4, 5);
// Writes to a file that is there. 0 or -errno.
must_check int tree_write(const struct doctor *d, const char *path, const char *value);

// The kernel's way to write a set as a mask; as a list: topo_format_cpus().
#define CPUS_TEXT_MAX 4096
void cpus_format_mask(const cpu_set_t *cpus, char *buf, size_t size);
// The i-th CPU of a set that is not empty, from the start again after the last.
int cpus_nth(const cpu_set_t *cpus, unsigned i);
bool cpus_within(const cpu_set_t *cpus, const cpu_set_t *all);
