// SPDX-License-Identifier: Apache-2.0
//
// Work that the network hardware takes off the CPUs.
#include "server/doctor/doctor_priv.h"
#include "server/doctor/nic_priv.h"

struct offload {
    const char *feature; // the kernel's name, which `ethtool -K` takes too
    const char *short_of;
    bool wanted;
    enum severity severity;
};

static const struct offload offloads[] = {
    {"tx-scatter-gather", "scatter-gather", true, SEVERITY_PROBLEM},
    {"tx-tcp-segmentation", "TCP segmentation", true, SEVERITY_PROBLEM},
    {"tx-tcp6-segmentation", "TCP segmentation over IPv6", true, SEVERITY_PROBLEM},
    {"tx-generic-segmentation", "generic segmentation", true, SEVERITY_WARNING},
    {"rx-checksum", "receive checksums", true, SEVERITY_WARNING},
    {"rx-gro", "generic receive offload", true, SEVERITY_WARNING},
};

static void turn(struct doctor *d, struct finding *f, const struct nic *n, const char *feature,
                 bool on)
{
    const char *now = on ? "on" : "off", *before = on ? "off" : "on";

    change_run(d, f, argv_of(d, "ethtool", "-K", n->name, feature, now, NULL),
               argv_of(d, "ethtool", "-K", n->name, feature, before, NULL));
}

static bool judge(struct doctor *d, const struct check *c, const struct nic *n,
                  const struct offload *o)
{
    struct nic_feature feature;
    struct finding *f;

    if (d->nics->feature(d->nics, n->name, o->feature, &feature) != 0)
        return false;
    // Hardware that cannot is nothing that a setting mends, and neither is a feature that was
    // switched already and waits for another one.
    if (feature.active == o->wanted || feature.requested == o->wanted || !feature.available)
        return true;
    f = finding_add(d, c, nic_where(d, n), "%s (%s) is %s", o->short_of, o->feature,
                    feature.active ? "on" : "off");
    if (f != NULL)
        f->severity = o->severity;
    turn(d, f, n, o->feature, o->wanted);
    return true;
}

static bool look_offloads(struct doctor *d, const struct check *c)
{
    bool looked = false;

    for (struct nic n = {0}; nic_next(d, &n);) {
        for (size_t i = 0; i < array_len(offloads); i++)
            looked |= judge(d, c, &n, &offloads[i]);
    }
    return looked;
}

// A driver sums either by the place that it is told, or by the protocol.
static bool look_checksums(struct doctor *d, const struct check *c)
{
    static const char *const names[] = {"tx-checksum-ip-generic", "tx-checksum-ipv4",
                                        "tx-checksum-ipv6"};
    bool looked = false;

    for (struct nic n = {0}; nic_next(d, &n);) {
        for (size_t i = 0; i < array_len(names); i++) {
            struct offload o = {names[i], "transmit checksums", true, SEVERITY_PROBLEM};
            struct nic_feature generic;

            if (i > 0 && d->nics->feature(d->nics, n.name, names[0], &generic) == 0 &&
                (generic.active || generic.available))
                break;
            looked |= judge(d, c, &n, &o);
        }
    }
    return looked;
}

static bool look_lro(struct doctor *d, const struct check *c)
{
    static const struct offload lro = {"rx-lro", "large receive offload", false, SEVERITY_ADVICE};
    bool looked = false;

    for (struct nic n = {0}; nic_next(d, &n);)
        looked |= judge(d, c, &n, &lro);
    return looked;
}

static bool look_tls(struct doctor *d, const struct check *c)
{
    static const struct offload tls = {"tls-hw-tx-offload", "TLS encryption by the interface",
                                       true, SEVERITY_ADVICE};
    bool looked = false;

    for (struct nic n = {0}; nic_next(d, &n);) {
        struct nic_feature feature;

        // One that has none is nothing to speak of.
        if (d->nics->feature(d->nics, n.name, tls.feature, &feature) == 0 &&
            (feature.active || feature.available))
            looked |= judge(d, c, &n, &tls);
    }
    return looked;
}

const struct check offload_checks[] = {
    // Segmentation needs the checksums, so they are switched on first.
    {"offload-checksum", SEVERITY_PROBLEM, PHASE_REST,
     "Without it the CPU reads every byte that is sent once more, and segmentation offload is "
     "switched off with it.",
     look_checksums},
    {"offload", SEVERITY_WARNING, PHASE_REST,
     "With these the kernel handles 64 KiB at a time where it would handle one packet. A server "
     "without them spends its CPUs on packets long before the link is full.",
     look_offloads},
    {"offload-lro", SEVERITY_ADVICE, PHASE_REST,
     "It merges received packets and loses parts of their headers. GRO does the same in a way that "
     "can be taken apart again, and a sender gains little from either.",
     look_lro},
    {"offload-tls", SEVERITY_ADVICE, PHASE_REST,
     "The interface can encrypt what kernel TLS sends, so that the CPU never touches the bytes. Up "
     "to Linux 6.12 this is for TLS 1.2 alone; on a bond it needs 802.3ad or balance-xor with "
     "layer3+4.",
     look_tls},
    {0},
};
