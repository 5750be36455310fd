// SPDX-License-Identifier: Apache-2.0
//
// Queues and rings of the interfaces, by what their drivers say.
#include <stdio.h>
#include <string.h>

#include "server/doctor/doctor_priv.h"
#include "server/doctor/nic_priv.h"

#define RING_WANTED 4096

static const char *number(struct doctor *d, uint64_t value)
{
    return doctor_text(d, "%llu", (unsigned long long)value);
}

// A driver has pairs of queues, or queues for each direction, or a mixture that has its reasons.
static bool is_paired(const struct nic_channels *ch)
{
    return ch->combined_max > 0 && ch->rx == 0;
}

static bool is_split(const struct nic_channels *ch)
{
    return ch->combined == 0 && ch->rx_max > 0 && ch->tx_max > 0;
}

static void set_channels(struct doctor *d, struct finding *f, const struct nic *n,
                         const struct nic_channels *ch, uint32_t want)
{
    const char *wanted = number(d, want), *tx = number(d, min_of(want, ch->tx_max));

    if (is_paired(ch))
        change_run(d, f, argv_of(d, "ethtool", "-L", n->name, "combined", wanted, NULL),
                   argv_of(d, "ethtool", "-L", n->name, "combined", number(d, ch->combined), NULL));
    else
        change_run(d, f, argv_of(d, "ethtool", "-L", n->name, "rx", wanted, "tx", tx, NULL),
                   argv_of(d, "ethtool", "-L", n->name, "rx", number(d, ch->rx), "tx",
                           number(d, ch->tx), NULL));
}

static void judge_channels(struct doctor *d, const struct check *c, const struct nic *n,
                           const struct nic_channels *ch)
{
    uint32_t have = is_paired(ch) ? ch->combined : ch->rx;
    uint32_t most = is_paired(ch) ? ch->combined_max : ch->rx_max;
    uint32_t want = min_of(most, n->ncpus);
    struct finding *f;

    if (have == want)
        return;
    f = finding_add(d, c, nic_where(d, n),
                    "%u receive queue%s for %u CPU%s%s, the driver allows %u", have,
                    have == 1 ? "" : "s", n->ncpus, n->ncpus == 1 ? "" : "s",
                    n->placed ? " of its node" : "", most);
    // More queues than CPUs is no loss but of interrupts.
    if (f != NULL && have > want)
        f->severity = SEVERITY_ADVICE;
    set_channels(d, f, n, ch, want);
}

static bool look_channels(struct doctor *d, const struct check *c)
{
    bool looked = false;

    for (struct nic n = {0}; nic_next(d, &n);) {
        struct nic_channels ch;

        if (d->nics->channels(d->nics, n.name, &ch) != 0 || (!is_paired(&ch) && !is_split(&ch)))
            continue;
        looked = true;
        judge_channels(d, c, &n, &ch);
    }
    return looked;
}

struct shares {
    uint32_t of[NIC_INDIRECTION_MAX]; // entries of the table, by queue
    uint32_t queues, least, most;
};

// False when the table names a queue that is not there: then the two answers are of two moments.
static bool count_shares(const uint32_t *table, uint32_t size, uint32_t queues, struct shares *s)
{
    memset(s, 0, sizeof(*s));
    if (queues > array_len(s->of) || queues == 0)
        return false;
    s->queues = queues;
    for (uint32_t i = 0; i < size; i++) {
        if (table[i] >= queues)
            return false;
        s->of[table[i]]++;
    }
    s->least = UINT32_MAX;
    for (uint32_t q = 0; q < queues; q++) {
        s->least = min_of(s->least, s->of[q]);
        s->most = max_of(s->most, s->of[q]);
    }
    return true;
}

// What the table has now, as weights: the same share for each queue, if in another order.
static const char *const *weight_words(struct doctor *d, const struct nic *n,
                                       const struct shares *s)
{
    const char **argv = arena_array(&d->arena, const char *, s->queues + 5);
    unsigned w = 0;

    if (argv == NULL)
        return NULL;
    argv[w++] = "ethtool";
    argv[w++] = "-X";
    argv[w++] = n->name;
    argv[w++] = "weight";
    for (uint32_t q = 0; q < s->queues; q++)
        argv[w++] = number(d, s->of[q]);
    return argv;
}

static uint32_t unused(const struct shares *s)
{
    uint32_t n = 0;

    for (uint32_t q = 0; q < s->queues; q++)
        n += s->of[q] == 0;
    return n;
}

static bool judge_indirection(struct doctor *d, const struct check *c, const struct nic *n,
                              uint32_t queues)
{
    static uint32_t table[NIC_INDIRECTION_MAX];
    static struct shares s;
    uint32_t size = NIC_INDIRECTION_MAX;
    struct finding *f;

    if (d->nics->indirection(d->nics, n->name, table, &size) != 0 || size == 0 ||
        !count_shares(table, size, queues, &s))
        return false;
    // With fewer entries than queues a driver cannot do better; one entry more or less is the rest
    // of a division.
    if (s.most - s.least <= 1)
        return true;
    f = finding_add(d, c, nic_where(d, n),
                    "of %u queues %u get no packets; one queue gets between %u and %u of %u shares",
                    queues, unused(&s), s.least, s.most, size);
    change_run(d, f, argv_of(d, "ethtool", "-X", n->name, "equal", number(d, queues), NULL),
               weight_words(d, n, &s));
    return true;
}

static bool look_indirection(struct doctor *d, const struct check *c)
{
    bool looked = false;

    for (struct nic n = {0}; nic_next(d, &n);) {
        struct nic_channels ch;

        if (d->nics->channels(d->nics, n.name, &ch) != 0 || ch.combined + ch.rx < 2)
            continue;
        looked |= judge_indirection(d, c, &n, ch.combined + ch.rx);
    }
    return looked;
}

static bool look_rings(struct doctor *d, const struct check *c)
{
    bool looked = false;

    for (struct nic n = {0}; nic_next(d, &n);) {
        struct nic_rings r;

        if (d->nics->rings(d->nics, n.name, &r) != 0 || r.rx_max == 0 || r.tx_max == 0)
            continue;
        looked = true;
        uint32_t rx = max_of(r.rx, min_of(r.rx_max, RING_WANTED));
        uint32_t tx = max_of(r.tx, min_of(r.tx_max, RING_WANTED));
        if (rx == r.rx && tx == r.tx)
            continue;
        struct finding *f = finding_add(d, c, nic_where(d, &n),
                                        "rings of %u (receive) and %u (transmit), the driver "
                                        "allows %u and %u", r.rx, r.tx, r.rx_max, r.tx_max);
        change_run(d, f,
                   argv_of(d, "ethtool", "-G", n.name, "rx", number(d, rx), "tx", number(d, tx),
                           NULL),
                   argv_of(d, "ethtool", "-G", n.name, "rx", number(d, r.rx), "tx",
                           number(d, r.tx), NULL));
    }
    return looked;
}

const struct check nic_checks[] = {
    {"rss-queues", SEVERITY_WARNING, PHASE_FIRST,
     "One queue for each CPU of the interface's node lets every worker there receive and send by a "
     "queue of its own; with fewer, CPUs have to pass packets on. The change may take the link "
     "down for a moment.",
     look_channels},
    {"rss-indirection", SEVERITY_WARNING, PHASE_REST,
     "The table spreads received flows over the queues. Queues that it leaves out leave their CPUs "
     "without connections of their own, and the others get their share.",
     look_indirection},
    {"ring-size", SEVERITY_ADVICE, PHASE_FIRST,
     "A ring that is full drops what arrives, and acknowledgements come in bursts when many "
     "players fetch at once. Beyond 4096 the descriptors begin to cost cache. The change may take "
     "the link down for a moment.",
     look_rings},
    {0},
};
