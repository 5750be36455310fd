// SPDX-License-Identifier: Apache-2.0
//
// Changing the binary under open connections (USR2): the new one is started beside us and inherits
// the listening sockets; our pid file steps aside for its own.
#pragma once

#include <sys/types.h>

#include "lib/base/compiler.h"

struct env_line;
struct listeners;

struct upgrade {
    const char *pid_path;
    char *const *argv;
    char *const *environment; // of our own start
    const struct env_line *env;
    const struct listeners *listeners;
};

// The new binary's process, or -errno with everything said and the pid file in its place.
must_check pid_t upgrade_start(const struct upgrade *u);
// The new binary has ended: our pid file gets its name back.
void upgrade_failed(const char *pid_path, const char *binary);

// "PATH.oldbin", malloc'd; NULL when memory is out.
char *upgrade_old_path(const char *pid_path);
