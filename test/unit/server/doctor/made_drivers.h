// SPDX-License-Identifier: Apache-2.0
//
// Two interfaces with drivers that say what the test puts there, and a system that runs nothing.
#pragma once

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/topo/machine.h"
#include "server/doctor/nic_priv.h"

#define IFACES 2
#define FEATURES 16

struct made_feature {
    const char *name;
    struct nic_feature feature;
};

struct made_nic {
    struct nic_rings rings;
    struct nic_channels channels;
    uint32_t table[16], table_size;
    struct made_feature features[FEATURES];
};

static struct machine_link links[IFACES + 1]; // and the bond over them
static struct made_nic made[IFACES];

// What was run, one on a line, and how the next ones end.
static char ran[8192];
static int run_rc, run_status;
static void (*on_run)(const char *const *argv);

static struct made_nic *made_of(const char *name)
{
    for (int i = 0; i < IFACES; i++) {
        if (strcmp(name, links[i].name) == 0)
            return &made[i];
    }
    return NULL;
}

static int made_rings(const struct nic_calls *calls, const char *name, struct nic_rings *out)
{
    (void)calls;
    *out = made_of(name)->rings;
    return out->rx_max > 0 ? 0 : -EOPNOTSUPP;
}

static int made_channels(const struct nic_calls *calls, const char *name, struct nic_channels *out)
{
    (void)calls;
    *out = made_of(name)->channels;
    return 0;
}

static int made_indirection(const struct nic_calls *calls, const char *name, uint32_t *table,
                            uint32_t *count)
{
    const struct made_nic *m = made_of(name);

    (void)calls;
    if (m->table_size == 0)
        return -EOPNOTSUPP;
    memcpy(table, m->table, m->table_size * sizeof(*table));
    *count = m->table_size;
    return 0;
}

static struct nic_feature *feature_of(int nic, const char *name)
{
    for (int i = 0; i < FEATURES && made[nic].features[i].name != NULL; i++) {
        if (strcmp(made[nic].features[i].name, name) == 0)
            return &made[nic].features[i].feature;
    }
    return NULL;
}

static int made_feature(const struct nic_calls *calls, const char *name, const char *feature,
                        struct nic_feature *out)
{
    struct nic_feature *f = feature_of((int)(made_of(name) - made), feature);

    (void)calls;
    if (f == NULL)
        return -EOPNOTSUPP;
    *out = *f;
    return 0;
}

static const struct nic_calls made_calls = {made_rings, made_channels, made_indirection,
                                            made_feature};

static int made_run(void *context, const char *const *argv, int *status)
{
    size_t n = strlen(ran);

    (void)context;
    for (int i = 0; argv[i] != NULL; i++)
        n += (size_t)snprintf(ran + n, sizeof(ran) - n, "%s%s", i > 0 ? " " : "", argv[i]);
    snprintf(ran + n, sizeof(ran) - n, "\n");
    if (on_run != NULL)
        on_run(argv);
    *status = run_status;
    return run_rc;
}

static void make_driver(struct made_nic *m)
{
    static const char *const on[] = {
        "tx-scatter-gather", "tx-tcp-segmentation", "tx-tcp6-segmentation",
        "tx-generic-segmentation", "rx-checksum", "rx-gro", "tx-checksum-ip-generic",
        "tls-hw-tx-offload"};

    *m = (struct made_nic){.rings = {4096, 4096, 8192, 8192}, .channels = {.combined = 4,
                           .combined_max = 63}, .table_size = 16};
    for (unsigned i = 0; i < 16; i++)
        m->table[i] = i % 4;
    for (unsigned i = 0; i < array_len(on); i++)
        m->features[i] = (struct made_feature){on[i], {true, true, true}};
    m->features[array_len(on)] = (struct made_feature){"rx-lro", {.available = true}};
}
