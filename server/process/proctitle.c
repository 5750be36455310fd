// SPDX-License-Identifier: Apache-2.0
#include "server/process/proctitle.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *area; // argv[0] and what follows it without a gap
static size_t area_size;

// The kernel puts arguments and environment one behind the other; as far as they touch, the room
// is ours.
static bool extend(char *word)
{
    if (word != area + area_size)
        return false;
    area_size += strlen(word) + 1;
    return true;
}

int proctitle_init(int argc, char **argv)
{
    bool touching = true;

    if (argc < 1)
        return 0;
    area = argv[0];
    for (int i = 0; i < argc; i++)
        touching = touching && extend(argv[i]);
    for (char **e = environ; touching && *e != NULL; e++) {
        char *copy = strdup(*e);

        if (copy == NULL)
            return -ENOMEM;
        touching = extend(*e);
        *e = copy;
    }
    return 0;
}

void proctitle_set(const char *fmt, ...)
{
    char title[1024];
    va_list args;
    int n;

    if (area_size == 0)
        return;
    va_start(args, fmt);
    n = snprintf(title, sizeof(title), "millrace: ");
    vsnprintf(title + n, sizeof(title) - (size_t)n, fmt, args);
    va_end(args);
    // The last byte stays 0: a kernel that finds it changed takes the title to go on behind it.
    memset(area, 0, area_size);
    memcpy(area, title, strnlen(title, area_size - 1));
}
