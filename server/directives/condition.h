// SPDX-License-Identifier: Apache-2.0
//
// The condition of an `if`.
#pragma once

#include "lib/conf/schema.h"

struct instruction;

// Reads "(...)" from the words of `node` into the instruction. 0, -EINVAL or -ENOMEM.
must_check int condition_read(struct conf_apply *ap, const struct conf_node *node,
                              struct instruction *in);
