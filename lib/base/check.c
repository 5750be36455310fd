// SPDX-License-Identifier: Apache-2.0
#include "lib/base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "millrace: %s:%d: check failed: %s\n", file, line, condition);
    abort();
}
