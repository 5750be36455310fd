// SPDX-License-Identifier: Apache-2.0
//
// The file that names the master process. It appears with its content or not at all, so that
// whoever waits for it never reads half a number.
#pragma once

#include <sys/types.h>

#include "lib/base/compiler.h"

#define PIDFILE_OLD_SUFFIX ".oldbin" // while a new binary is being tried (USR2)

// "123\n" -> 123; any number of CR and LF may follow. -EINVAL for anything else.
must_check int pidfile_parse(const char *text, size_t n, pid_t *pid);

// 0 or -errno.
must_check int pidfile_write(const char *path, pid_t pid);
// 0, -errno of what failed, or -EINVAL when the content is no number; `text` (at least 32 bytes)
// then has it, terminated.
must_check int pidfile_read(const char *path, pid_t *pid, char *text, size_t text_size);
// Could it be written? Leaves nothing behind. 0 or -errno.
must_check int pidfile_check(const char *path);
