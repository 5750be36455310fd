// SPDX-License-Identifier: Apache-2.0
//
// The counters as text for machines. Pure: a copy of them goes in, bytes come out. Errors of
// writing are the stream's (ferror(3)).
//
// JSON, one line. `schema` changes when a member changes its meaning or goes; new members may come
// at any time. Output is ASCII: bytes of names beyond it are written as if they were Latin-1.
//
//   {"schema": 1, "server": "millrace", "version": "0.1.0",
//    "pid": 1234 or null, "started": 1700000000, "time": 1700000060,   seconds since the epoch
//    "total": COUNTERS,
//    "silos": [{"silo": 0, "node": 0 or null, "cpus": "0-3",
//               "state": "starting" | "up" | "draining" | "pausing" | "gone",
//               "pid": 1235 or null, "restarts": 0, "workers": 4, "counters": COUNTERS}, ...],
//    "members": [{"member": "eth0", "node": 0 or null}, ...]}
//
// COUNTERS has a member for each row of stats.h by its name (an integer), `arrived` and
// `egress_node` as {"0": integer, ..., "unknown": integer}, `egress_member` as
// {"eth0": integer, ...}, and `crossings_per_byte`: {"disk", "read", "write", "nic", "all"} with
// numbers, or null where there are no bytes to divide by. The total has also what belongs to no
// silo.
//
// Prometheus: text format 0.0.4. millrace_ROW_total{silo,node} for counters,
// millrace_ROW{silo,node} for gauges, where `node` is the silo's; of arrays it is the array's:
// millrace_arrived_total{silo,node}, millrace_egress_node_total{silo,node},
// millrace_egress_member_total{silo,member,node}. Sums over all silos are the total: what belongs
// to none has silo="none". Beside them millrace_build_info, millrace_start_time_seconds,
// millrace_silo_info, millrace_silo_up, millrace_silo_restarts_total and millrace_silo_workers.
#pragma once

#include <stdio.h>

struct stats_snapshot;

#define STATUS_SCHEMA 1

void status_write_json(FILE *out, const struct stats_snapshot *s);
void status_write_prometheus(FILE *out, const struct stats_snapshot *s);

// "up"; for any value.
const char *status_state_name(int state);
