// SPDX-License-Identifier: Apache-2.0
//
// What the long options ask for, with what each needs of the configuration and of the machine. Exit
// codes; what is wrong goes to standard error.
#pragma once

struct cmdline;
struct cmdline_paths;

int command_status(const struct cmdline *c, const struct cmdline_paths *paths);
int command_doctor(const struct cmdline *c, const struct cmdline_paths *paths);
int command_egress_rules(const struct cmdline *c, const struct cmdline_paths *paths);
