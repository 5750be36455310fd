// SPDX-License-Identifier: Apache-2.0
//
// What the long options ask for, with what each needs of the configuration and of the machine. Exit
// codes; what is wrong goes to standard error.
#pragma once

#include <stdbool.h>

struct cmdline;
struct cmdline_paths;

// Is there none to load? Without -c, a machine where nothing has been configured yet can be looked
// at too.
bool command_without_configuration(const struct cmdline *c, const struct cmdline_paths *paths);

int command_status(const struct cmdline *c, const struct cmdline_paths *paths);
int command_doctor(const struct cmdline *c, const struct cmdline_paths *paths);
int command_egress_rules(const struct cmdline *c, const struct cmdline_paths *paths);
