// SPDX-License-Identifier: Apache-2.0
//
// Runs a command of the system. What it says goes to standard error, so that it never mixes with
// what is printed for machines.
#include <errno.h>
#include <stdio.h>

#include "server/doctor/doctor_priv.h"
#include "server/report/command.h"

static int run(void *context, const char *const *argv, int *status)
{
    char said[4096];
    int rc = command_run(argv, said, sizeof(said), status);

    (void)context;
    if (rc == 0 && said[0] != '\0')
        fprintf(stderr, "%s\n", said);
    return rc;
}

static int refuse(void *context, const char *const *argv, int *status)
{
    (void)context, (void)argv, (void)status;
    return -EOPNOTSUPP;
}

const struct doctor_runner doctor_system = {.run = run};
const struct doctor_runner doctor_no_runner = {.run = refuse};
