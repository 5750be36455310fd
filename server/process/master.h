// SPDX-License-Identifier: Apache-2.0
//
// The master process: starts silos, watches them, replaces those that die, and changes the
// configuration, the log files or the binary under the connections. Serves no request itself.
#pragma once

#include "server/config/config.h"
#include "server/process/generation.h"

struct master_setup {
    int argc;
    char *const *argv; // a copy: proctitle overwrites the original
    char *const *environment;
    struct config_source source;
    const char *inherited; // the NGINX variable, NULL without one
};

// Makes the process tree for a loaded configuration, which it takes. Returns when all is over: the
// exit code. With `daemon on` the calling process does not return; its child does.
int master_run(const struct master_setup *setup, struct config *config);
