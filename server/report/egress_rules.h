// SPDX-License-Identifier: Apache-2.0
//
// `millrace --egress-rules`: the tc commands that make a bond heed the marks of `egress_mark on`.
// A filter for each member of the bond, in its clsact qdisc, sends what carries the member's mark
// (server/locality/egress.h) straight out of that member. It sits on the bond itself: VLANs and
// bridges above keep the mark, and what they send comes through there.
//
// One filter per member rather than per node, so that several members of a node are all used, and
// that losing one leaves the others; which of them a connection gets, the server decides.
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "lib/base/compiler.h"

struct machine;

#define EGRESS_RULES_PREFERENCE 28781 // of our filters alone: undo removes all that have it

enum egress_rules_action {
    EGRESS_RULES_PRINT,
    EGRESS_RULES_APPLY, // runs each command and shows it; stops at the first that fails
    EGRESS_RULES_UNDO,  // removes our filters from all bonds, and a qdisc that is empty then
};

// 0, also when there is no bond to do something for (which is said); -errno when a command could
// not be started, -EIO when one failed (which is said too).
must_check int egress_rules_command(const struct machine *m, enum egress_rules_action action,
                                    bool json, FILE *out);
