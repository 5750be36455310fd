// SPDX-License-Identifier: Apache-2.0
//
// The machine and what is made of it, told to people and to programs: lines for the start-up log,
// and `millrace --topology`. (doc/numa.md says what to do with it.)
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "lib/base/compiler.h"

struct cmdline;
struct cmdline_paths;
struct machine;
struct main_conf;
struct plan;
struct topo;

// Gets one line of text, without its end; the text is gone afterwards.
typedef void topology_line(void *context, const char *text);

// For the start-up log: a line for each silo, and one for each thing that is odd about the machine
// or about how the silos lie on it: a node without CPUs, memory or NIC, CPUs that are not allowed
// or not used, a silo whose CPUs are on another node. Pure.
void topology_describe_plan(const struct machine *m, const struct topo *t, const struct plan *p,
                            topology_line *line, void *context);

// How a connection finds its silo.
struct topology_steering {
    const char *kind;  // "ebpf", "cbpf", "hash"
    const char *by;    // what the choice goes by: "cpu and node", "cpu", "flow"
    char why[192];
    const char *after; // how the node is found once the connection is there: "napi", "cpu"; NULL:
                       // there is nothing to find
};

// `can_bpf`, `can_napi`: what this process and this kernel are able to do.
void topology_steering(const struct machine *m, const struct plan *p, bool can_bpf, bool can_napi,
                       struct topology_steering *out);

// All that --topology shows; borrowed.
struct topology_view {
    const struct machine *machine;
    const struct topo *topo;
    const struct plan *plan;
    const struct main_conf *conf;
    const char *configuration; // its path; NULL: there is none
    struct topology_steering steering;
};

// 0 or -ENOMEM.
must_check int topology_print_table(const struct topology_view *v, FILE *out);
must_check int topology_print_json(const struct topology_view *v, FILE *out);

// millrace --topology [--json] [--root=DIR] [-c file]. The exit code, with everything said.
int topology_command(const struct cmdline *c, const struct cmdline_paths *paths);
