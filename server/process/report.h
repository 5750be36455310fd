// SPDX-License-Identifier: Apache-2.0
//
// Messages of the process tree. While the program starts somebody is looking at standard error, so
// a line goes there ("millrace: [emerg] ...") whatever its level, and to the error log; later to
// the log alone. What is not for that somebody is log_write()'s business.
#pragma once

#include "lib/base/log.h"

void report(enum log_level level, int err, const char *fmt, ...) printf_like(3, 4);

// Lines go to this file until the configuration's own logs are open: the -e log. "stderr" needs
// none. One that cannot be opened is an [alert], nothing worse.
void report_open_first_log(const char *path);
// The start is over: standard error is no longer ours to write to, and the first log is closed. The
// thread must not log to it any more.
void report_started(void);
