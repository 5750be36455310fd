// SPDX-License-Identifier: Apache-2.0
//
// One operation on a ring. The caller owns it, usually inside the object it serves: nothing is
// allocated for a submission, and what is in flight can be seen in the object. An object may be
// freed only when none of its operations is in flight.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct op;

// `res` is the operation's result: a count or -errno. `flags` are the CQE's. A multishot operation
// completes many times; it is in flight until a completion comes without IORING_CQE_F_MORE, and
// op_in_flight() already tells the new state when the callback runs.
typedef void (*op_done_fn)(struct op *op, int32_t res, uint32_t flags);

struct op {
    uint32_t magic;
    bool in_flight;
    uint8_t tag; // the owner's own, untouched by the ring
    op_done_fn done;
};

#define OP_MAGIC 0x6f70f11eu

// Not while it is in flight.
static inline void op_init(struct op *op, op_done_fn done)
{
    *op = (struct op){.magic = OP_MAGIC, .done = done};
}

static inline bool op_in_flight(const struct op *op)
{
    return op->in_flight;
}
