// SPDX-License-Identifier: Apache-2.0
//
// Tells that network interfaces changed: came, went, went up or down, joined or left a bond
// (rtnetlink(7), RTMGRP_LINK). What they are now, machine_reload_links() says. Needs no privilege.
#pragma once

#include <stdbool.h>

#include "lib/base/compiler.h"

// A descriptor to poll for reading (non-blocking, close-on-exec), or -errno.
must_check int link_watch_open(void);
// Takes all that is there. True when something changed that matters here (also when the kernel says
// that it lost messages).
bool link_watch_changed(int fd);
