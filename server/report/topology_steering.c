// SPDX-License-Identifier: Apache-2.0
//
// Which way connections will be steered, before there are any.
#include <stdio.h>

#include "server/process/plan.h"
#include "server/report/topology_priv.h"

static void by_hash(const struct machine *m, struct topology_steering *s)
{
    s->kind = "hash";
    s->by = "flow";
    s->after = NULL;
    snprintf(s->why, sizeof(s->why),
             "%s one silo, so there is nothing to steer; the kernel spreads connections over the "
             "workers",
             m->nnodes > 1 ? "all nodes are" : "there is");
}

void topology_steering(const struct machine *m, const struct plan *p, bool can_bpf, bool can_napi,
                       struct topology_steering *out)
{
    bool captured = m->root[0] != '\0';

    if (p->count <= 1) {
        by_hash(m, out);
        return;
    }
    out->after = can_napi ? "napi" : "cpu";
    if (!can_bpf) {
        out->kind = "cbpf";
        out->by = "cpu";
        snprintf(out->why, sizeof(out->why),
                 "a classic BPF program knows no nodes; one that does needs CAP_BPF, which this "
                 "process has not");
        return;
    }
    out->kind = "ebpf";
    out->by = "cpu and node";
    snprintf(out->why, sizeof(out->why),
             "the program that picks the socket runs on the CPU that takes the packet%s",
             captured ? "; given that the master may load one (CAP_BPF)" : "");
}
