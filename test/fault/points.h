// SPDX-License-Identifier: Apache-2.0
//
// A scene again and again, each time with a fault at the next of its sends.
#pragma once

#include <stddef.h>

#include "test/fault/faults.h"

struct scene;

// So small that a response has a middle.
struct fault points_pieces(const struct scene *s);
// Fails the nth send for n = 0, 1, ..., until a run needs no nth send. The client must not notice.
void points_pass(const struct scene *s, int err);
// For each scene named: the nth read of a file fails with `err` for n = 0, 1, ..., until a run
// needs no nth read. The client must not notice.
void points_miss(const char *const *names, size_t count, int err);
// All sends from the nth on fail: the client gets what was sent before, and the end; with TLS an
// unclean one. How many connections were broken.
unsigned points_break(const struct scene *s, int err);
