// SPDX-License-Identifier: Apache-2.0
//
// getaddrinfo(3) that can be given up. It cannot be broken off itself, so a thread of its own does
// it, and is left behind with nothing but memory of its own when nobody waits any more.
#pragma once

#include <netdb.h>
#include <stdint.h>

#include "lib/base/compiler.h"

// On success *found is for freeaddrinfo(3). 0; -EIO with *error for gai_strerror(3); -ETIMEDOUT at
// `deadline_ms` (CLOCK_MONOTONIC); -ECANCELED when `cancel_fd` (-1: none) is readable; -ENOMEM.
must_check int staple_resolve(const char *host, const char *port, int64_t deadline_ms,
                              int cancel_fd, struct addrinfo **found, int *error);

// poll(2) for one descriptor: 0, -ETIMEDOUT, -ECANCELED or -errno.
must_check int staple_wait(int fd, short events, int64_t deadline_ms, int cancel_fd);
int64_t staple_now_ms(void);
