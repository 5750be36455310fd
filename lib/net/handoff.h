// SPDX-License-Identifier: Apache-2.0
//
// Handing an accepted connection to another process: its descriptor goes through a Unix socket
// (SCM_RIGHTS, unix(7)). It is done before anything is read, so there is nothing else to take
// along. Each worker has an inbox: one end that it alone receives from, one end that all others
// send to. The master keeps both, so that what stands in the inbox of a process that died is taken
// on by the one that replaces it.
#pragma once

#include <stdint.h>

#include "lib/base/compiler.h"

#define HANDOFF_QUEUE 256      // messages that may wait in an inbox; more are refused

struct handoff {
    uint32_t listen;     // which of the configuration's addresses accepted it, from 0
};

// Both ends, non-blocking and close-on-exec. 0 or -errno.
must_check int handoff_open(int *receive_fd, int *send_fd);

// The descriptor stays the caller's to close, also on success. 0; -EAGAIN: the inbox is full;
// -ECONNREFUSED or -EPIPE: nobody holds its other end; another -errno. Never waits.
must_check int handoff_send(int send_fd, const struct handoff *h, int fd);

// The next message. 0 and *fd is the caller's; -EAGAIN: none is there; -EBADMSG: one that is not of
// this program, or came without its descriptor (the limit of open files was reached), was dropped;
// -ECONNRESET: all that could send are gone; another -errno.
must_check int handoff_receive(int receive_fd, struct handoff *h, int *fd);
