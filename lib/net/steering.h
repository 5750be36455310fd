// SPDX-License-Identifier: Apache-2.0
//
// Steering: which socket of a reuseport group gets a connection, decided while its SYN is being
// processed (socket(7), SO_ATTACH_REUSEPORT_EBPF and _CBPF; bpf(2), BPF_PROG_TYPE_SK_REUSEPORT).
// The program looks at the CPU that it runs on. Where it has no answer the kernel goes by its hash,
// as without it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/compiler.h"

#define STEERING_ANYWHERE UINT16_MAX

// Where connections go whose SYN is processed on one CPU: one of `count` sockets from `first` on,
// by the flow's hash. first == STEERING_ANYWHERE: by the kernel's own choice.
struct steering_slot {
    uint16_t first, count;
};

enum steering_kind {
    STEERING_OFF,  // nothing is attached
    STEERING_CBPF, // by CPU; needs no privilege
    STEERING_EBPF, // by CPU, and by node for a CPU without a slot of its own; needs CAP_BPF
};

struct steering_plan {
    const struct steering_slot *by_cpu; // indexed by CPU number
    unsigned ncpus;
    const struct steering_slot *by_node; // for CPUs at or beyond ncpus or ANYWHERE; EBPF alone
    unsigned nnodes;
};

// Attaches to the group of `fds`: all listening TCP sockets of one address, in the order in which
// they were bound; a slot's index is into them. Replaces what was attached before. Tries EBPF, then
// CBPF; *kind says which it became. 0, or -EINVAL when a slot points beyond nfds (nothing changes
// then), or another -errno, after which what was attached may be gone: -E2BIG and -ENOMEM say that
// only EBPF could have held this plan.
//
// EBPF sends to the socket itself, so that a socket of the group may be closed. CBPF counts sockets
// as the kernel has them, and closing one moves the last into its place: keep all of them open.
//
// A socket can be in one EBPF program's table alone, and the kernel gives it free some milliseconds
// after that program is gone; until then CBPF steers. So replacing EBPF waits (at most
// STEERING_PATIENCE_MS, then it stays CBPF): not for a worker's thread.
#define STEERING_PATIENCE_MS 1000
must_check int steering_attach(const int *fds, unsigned nfds, const struct steering_plan *plan,
                               enum steering_kind *kind);
// Takes the program off the group. 0, also when there was none, or -errno.
must_check int steering_detach(int fd);
const char *steering_name(enum steering_kind kind); // "eBPF", "classic BPF", "hash"
