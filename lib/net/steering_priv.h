// SPDX-License-Identifier: Apache-2.0
//
// The two programs that steering knows, for steering.c and its tests.
#pragma once

#include <linux/filter.h>

#include "lib/net/steering.h"

// steering_classic.c. The program for a plan that has been checked: the CPU is looked up by binary
// search over the runs of CPUs with one answer. Writes at most BPF_MAXINSNS instructions to `out`;
// -E2BIG when they are not enough (2000 runs fit), -ENOMEM. Attaching is -ENOMEM, too, for a
// program beyond net.core.optmem_max, which are some 800 runs before Linux 6.7.
must_check int steering_classic_build(const struct steering_plan *plan,
                                      struct sock_filter out[BPF_MAXINSNS], unsigned *count);
must_check int steering_classic_attach(int fd, const struct steering_plan *plan);

// steering_ebpf.c. The tables of a program and the program; nothing is attached by it. All are
// descriptors, and may be closed after attaching.
struct steering_ebpf {
    int by_cpu, by_node, sockets, program;
    unsigned added; // of the sockets
};
// 0, -EPERM without the privilege, or another -errno.
must_check int steering_ebpf_open(struct steering_ebpf *e, unsigned nfds,
                                  const struct steering_plan *plan);
// -EBUSY: a socket is in another program's table still. What was added stays so, and another call
// goes on from there.
must_check int steering_ebpf_add(struct steering_ebpf *e, const int *fds, unsigned nfds);
must_check int steering_ebpf_attach(const struct steering_ebpf *e, int fd);
void steering_ebpf_close(struct steering_ebpf *e);
