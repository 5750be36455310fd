// SPDX-License-Identifier: Apache-2.0
//
// Words and questions that the table, the JSON and the log share.
#pragma once

#include "lib/topo/machine.h"
#include "server/report/topology.h"

const char *topology_kind(enum link_kind kind);  // "physical", "bond", ...
const char *topology_bond_mode(int mode);        // "802.3ad"; "unknown"
const char *topology_bond_policy(int policy);    // "layer3+4"; "unknown"
// "25 Gb/s", "100 Mb/s", "speed unknown".
void topology_speed(int64_t mbit, char *out, size_t size);

// Does `link` come down to the physical interface `nic`?
bool topology_is_above(const struct machine *m, const struct machine_link *link,
                       const struct machine_link *nic);
// "auto", "node", ... ; "given" with silos written out.
const char *topology_silos_word(const struct main_conf *conf);
