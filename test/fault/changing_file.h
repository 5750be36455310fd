// SPDX-License-Identifier: Apache-2.0
//
// What happens to a file while it is sent. Each runs on the worker's thread, before the call that
// it was ordered for. Included by each test file once.
#pragma once

#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

#include "test/fault/fixture.h"
#include "test/fault/scenes.h"

#define TRUNCATED "file was truncated while it was being sent"

static char path[256]; // of the file
static off_t cut_to;

static void cut(void)
{
    if (truncate(path, cut_to) != 0)
        perror("truncate");
}

static void vanish(void)
{
    unlink(path);
}

static void replace(void)
{
    char fresh[256];

    fixture_path("fresh", fresh, sizeof(fresh));
    if (rename(fresh, path) != 0)
        perror("rename");
}

static void grow(void)
{
    if (truncate(path, MEDIUM_SIZE * 2) != 0)
        perror("truncate");
}
