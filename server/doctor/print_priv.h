// SPDX-License-Identifier: Apache-2.0
//
// The findings, for people and for machines.
#pragma once

#include <stdio.h>

struct doctor;

void doctor_print(const struct doctor *d, FILE *out);
// One object: {"version": 1, "undo_file", "findings": [{"id", "severity", "where", "found", "why",
// "by_hand": [], "changes": [{"apply", "undo", "state"[, "error"]}]}], "good": [ids]}. The commands
// are as a shell takes them; state is planned, done or failed.
void doctor_print_json(const struct doctor *d, const char *undo_path, FILE *out);

// What is left to be done after all that was applied.
unsigned doctor_left(const struct doctor *d);
