// SPDX-License-Identifier: Apache-2.0
//
// What `millrace --status` shows, as text: rates between two copies of the counters. Pure; knows no
// terminal but its width.
//
// One line per silo: node, workers, connections, requests/s, Gbit/s out, right% (of the connections
// that arrived here or were given away, those that were steered right at once), over/s (handed to
// other silos), local% and repl% (of the body bytes whose pages' node is known), cross/B (predicted
// crossings between nodes per body byte). "-" is no data in the interval. A narrow terminal loses
// columns, a wide one gets state, CPUs and the four kinds of crossings.
//
// Gbit/s out are body bytes as they go to the socket, where they are metered (meter.h); otherwise
// what responses have sent, headers included, counted at their end.
#pragma once

#include <stdio.h>

struct stats_snapshot;

#define STATUS_WIDTH 80 // columns where nobody knows better
#define STATUS_WIDTH_ALL 10000

// `before` and `after` are of one master. Lines are at most `width` columns (but for the narrowest:
// a column is 4).
void status_table(FILE *out, const struct stats_snapshot *before,
                  const struct stats_snapshot *after, unsigned width);
