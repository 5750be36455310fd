// SPDX-License-Identifier: Apache-2.0
//
// File systems that are mounted from a device (proc(5), /proc/PID/mountinfo).
#pragma once

#include <sys/types.h>

#include "lib/base/compiler.h"

struct mounted {
    char *path; // the shortest of the places where this device is mounted
    char *type; // "ext4"
    char *source;
    dev_t dev;
};

// Of this process, or of a captured tree (`root` is "" or a directory). A device stands once, in
// the order of the file. 0, or -errno when the file can't be read.
must_check int mounts_read(const char *root, struct mounted **out, unsigned *count);
void mounts_free(struct mounted *mounts, unsigned count);
