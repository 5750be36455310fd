// SPDX-License-Identifier: Apache-2.0
//
// What is mounted where (proc_pid_mountinfo(5)), of this process or of a captured tree: `root` is
// "" or a directory. A captured file may be anything: lines that are none are passed over, and of
// a line longer than any path needs only the beginning is looked at.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/compiler.h"

#define MOUNT_UNKNOWN (-1)

struct mounted {
    int64_t id;   // the mount's, as in stx_mnt_id of statx(2); at least 0
    char *path;   // where it is mounted, without the kernel's escapes, as are the others
    char *type;   // "ext4"
    char *source; // "/dev/sda1"; not always the name of a file
    dev_t dev;    // the file system's. Major 0: it is of no device or, as btrfs, does not tell, and
                  // what stat(2) says of its files (with btrfs: the subvolume's) may be another
};

// Gets each mount in the order of the file; its strings are gone afterwards. False ends it.
typedef bool mounts_one(void *ctx, const struct mounted *m);

// 0, or -errno when the file can't be read.
must_check int mounts_each(const char *root, mounts_one *one, void *ctx);

// File systems that lie on devices of their own: those with a device, and btrfs. Each stands once,
// in the order of the file, with the shortest of the places where it is mounted; malloc'd. 0, or
// -errno when the file can't be read.
must_check int mounts_read(const char *root, struct mounted **out, unsigned *count);
void mounts_free(struct mounted *mounts, unsigned count);

// The mount that an open file was reached by (statx(2), STATX_MNT_ID: Linux 5.8). Waits for no
// disk and no network. MOUNT_UNKNOWN when the kernel does not say.
int64_t mounts_id(int fd);
// The same of what statx(2) has said of a file.
struct statx;
int64_t mounts_id_of(const struct statx *st);
