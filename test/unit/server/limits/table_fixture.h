// SPDX-License-Identifier: Apache-2.0
//
// An empty table in memory of its own, for each test.
#pragma once

#include <criterion/criterion.h>
#include <sys/mman.h>

#include "server/limits/table.h"

#define SIZE (8u * 4096)

static struct limit_table *t;

static void map(void)
{
    t = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq((void *)t, MAP_FAILED);
    limit_table_init(t, SIZE);
}

static void unmap(void)
{
    munmap(t, SIZE);
}
