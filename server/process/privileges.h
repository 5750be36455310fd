// SPDX-License-Identifier: Apache-2.0
//
// From root to the user of the configuration, for good. Without root there is nothing to give up.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/base/compiler.h"

struct main_conf;

#define PRIVILEGES_USER "nobody" // when the configuration names none

// Whom silos run as.
struct identity {
    bool drop; // false: not root, everything stays as it is
    uid_t uid;
    gid_t gid;
    char user[64]; // for initgroups(3)
    // `egress_mark on`: CAP_NET_RAW stays, which SO_MARK asks for (Linux 5.17; before it was
    // CAP_NET_ADMIN, which nobody gets). It allows raw sockets too: hence only when asked for.
    bool keep_net_raw;
};

// 0; -ENOENT with `why` ("getpwnam(\"x\") failed") and *err, an errno value or 0.
must_check int identity_find(const struct main_conf *conf, struct identity *id, char *why,
                             size_t why_size, int *err);

// Groups, user, capabilities; core dumps stay possible, new privileges do not. Before the process
// has a second thread. 0 or -errno with a line logged.
must_check int privileges_drop(const struct identity *id);

// Rings and their buffers count against the locked memory of an unprivileged user: some 60 workers
// reach the usual 8 MiB. Root lifts the limit for itself and for what it starts; others keep
// theirs, and the refusal of a ring says what to do.
void privileges_raise_memlock(void);
