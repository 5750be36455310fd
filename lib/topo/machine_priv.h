// SPDX-License-Identifier: Apache-2.0
//
// How sysfs is read: small files and short folders, each with an edge, because a captured tree is a
// stranger's. A path that does not fit is a file that is not there.
#pragma once

#include <stdio.h>

#include "lib/topo/machine.h"

#define SYSFS_PATH_MAX 2048 // bytes of a path, its end included
#define SYSFS_NAME_MAX 64   // longer names belong to nothing that is looked for

#define MACHINE_NODES_MAX CPU_SETSIZE
#define MACHINE_LINKS_MAX 4096
#define MACHINE_DISKS_MAX 4096

typedef char sysfs_name[SYSFS_NAME_MAX];

// False when the path does not fit; `out` is then empty.
bool sysfs_path(char out[SYSFS_PATH_MAX], const char *fmt, ...) printf_like(2, 3);
// A regular file, as all of sysfs and proc are: never a FIFO to wait for. NULL when there is none.
FILE *sysfs_open(const char *path);
// The first line of DIR/NAME, without its end and cut to `size`. False when there is none.
bool sysfs_line(const char *dir, const char *name, char *out, size_t size);
// A decimal number that stands alone in its file. False when there is none.
bool sysfs_number(const char *dir, const char *name, int64_t *value);
// A list of CPUs or nodes; empty when there is none or when it is nonsense (then false).
bool sysfs_cpus(const char *dir, const char *name, cpu_set_t *set);
// The numbers of a block device, "259:1", in DIR/dev. False when there are none.
bool sysfs_dev(const char *dir, dev_t *dev);
bool sysfs_exists(const char *dir, const char *name);

// What DIR holds whose name starts with `prefix`, in the order of strverscmp(3), malloc'd; at most
// `max`, for which the smallest names are not guaranteed. 0 or -errno (-ENOENT: no such folder).
must_check int sysfs_names(const char *dir, const char *prefix, unsigned max, sysfs_name **out,
                           unsigned *count);

// The node of the device that DIR (or what it points to) is or hangs on: the nearest numa_node on
// the way up, not beyond ROOT/sys. MACHINE_NODE_UNKNOWN when nothing says.
int sysfs_device_node(const char *root, const char *dir);

// The parts of machine_load(). Each fills its own list, and needs the nodes to be there.
must_check int machine_load_nodes(struct machine *m, const char *root);
must_check int machine_read_links(const struct machine *m, struct machine_link **links,
                                  unsigned *count);
must_check int machine_load_disks(struct machine *m);
// What a device said about its node, as far as it makes sense here.
int machine_plausible_node(const struct machine *m, int node);
// The fields of a bond and of its members, read from DIR, the interface's folder.
void machine_read_bond(const char *dir, struct machine_link *bond);
void machine_read_bond_members(const struct machine *m, struct machine_link *links,
                               unsigned count);
