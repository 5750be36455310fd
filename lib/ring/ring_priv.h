// SPDX-License-Identifier: Apache-2.0
//
// What the files of the ring share among themselves and with their tests.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ring/ring.h"

#define RING_MAGIC 0x72696e67u
#define RING_BUFFER_GROUP 0

// A completion's user_data is the address of its op. What has none uses values that no address of
// an op can have, as an op is aligned to more than RING_TAG_MASK.
#define RING_IGNORE UINT64_C(0)   // a cancellation's own completion
#define RING_WAKE UINT64_C(1)     // another ring's MSG_RING: mail has come
#define RING_UNSENT UINT64_C(2)   // our MSG_RING failed; the rest is the address of its target
#define RING_TAG_MASK UINT64_C(3)

// probe.c. The ring must be empty; it is again afterwards. 0 or -errno.
must_check int ring_probe(struct ring *r);

// submit.c. A free submission entry, or NULL when the queue is full and cannot be emptied.
struct io_uring_sqe *ring_sqe(struct ring *r);
// Cancels through io_uring_register(2), which needs no entry. 0, -ENOENT, or -EALREADY, -ETIME
// when the op is executing and will complete by itself.
int ring_cancel_now(struct ring *r, const struct op *op);

// mailbox.c
must_check int ring_mailbox_init(struct ring *r); // the wake descriptor; -errno
void ring_mailbox_arm(struct ring *r);            // unless armed already
void ring_mailbox_deliver(struct ring *r);
void ring_wake_by_eventfd(struct ring *to); // thread-safe
bool ring_mailbox_empty(struct ring *r);

// refusal.c. What the system says about io_uring, gathered after a refusal.
struct ring_refusal {
    int err;          // a positive errno value
    int sysctl;       // kernel.io_uring_disabled; -1: there is no such file
    int seccomp;      // "Seccomp:" of /proc/self/status; -1: unknown
    uint64_t memlock; // RLIMIT_MEMLOCK in bytes; UINT64_MAX: unlimited
};

#define RING_WHY_MAX 256 // every text fits, terminated

// Reads the three facts.
void ring_refusal_gather(struct ring_refusal *f, int err);
// Says which of them it was, and the cure.
void ring_refusal_explain(const struct ring_refusal *f, char *why, size_t size);
