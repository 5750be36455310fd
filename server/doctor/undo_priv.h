// SPDX-License-Identifier: Apache-2.0
//
// What takes changes back, in the order in which they were made, and the file that keeps it:
//
//     millrace-doctor-undo 1
//     boot 1f2e...                     what is set lasts until the machine is started anew
//     write /proc/irq/41/smp_affinity_list 0-3\x0a
//     run ethtool -L eth0 combined 4
//
// One entry on a line, words between single spaces, bytes that are not plain as \xHH.
#pragma once

#include <stdbool.h>

#include "lib/base/arena.h"
#include "server/doctor/finding_priv.h"

#define UNDO_BOOT_MAX 64
#define UNDO_FILE_MAX (4 << 20)

struct undo_log {
    struct arena arena;       // owns what steps point at
    struct step *steps;       // of the heap
    unsigned n, room;
    char boot[UNDO_BOOT_MAX]; // of the boot that the changes were made in; "-": not known
};

void undo_log_init(struct undo_log *log, const char *boot);
void undo_log_free(struct undo_log *log);
// Copies the step, which must be allowed. 0 or -ENOMEM.
must_check int undo_log_add(struct undo_log *log, const struct step *s);
bool undo_log_has(const struct undo_log *log, const struct step *s);

// Takes the place of what the log has. Everything is checked, and one wrong line refuses the whole
// file. 0, -EINVAL with the number of the line, or -ENOMEM.
must_check int undo_log_parse(struct undo_log *log, struct sv text, unsigned *line);
// Of the heap; NULL when memory is out.
char *undo_log_format(const struct undo_log *log, size_t *n);

// The file has to be this user's and nobody else's to write. 0, -ENOENT, -EPERM when it is not,
// -EINVAL with the line, or -errno.
must_check int undo_log_load(struct undo_log *log, const char *path, unsigned *line);
// At once or not at all. An empty log removes the file. 0 or -errno.
must_check int undo_log_save(const struct undo_log *log, const char *path);

// Keeps other doctors out until the descriptor is closed; makes the folder if need be. The
// descriptor, -EWOULDBLOCK when one is at work, or another -errno.
must_check int undo_lock(const char *path, bool make_folder);
