// SPDX-License-Identifier: Apache-2.0
//
// What ps(1) shows: the words of the command line are overwritten in place, as nginx does it, so
// that a master, a silo and a draining silo can be told apart.
#pragma once

#include "lib/base/compiler.h"

// Moves the environment away from the memory behind argv. Call first of all. 0 or -ENOMEM.
must_check int proctitle_init(int argc, char **argv);

// "millrace: " and the title; cut when the room is short. Nothing without proctitle_init().
void proctitle_set(const char *fmt, ...) printf_like(1, 2);
