// SPDX-License-Identifier: Apache-2.0
//
// The slots are one anonymous shared mapping that every silo inherits. A sequence number lets a
// reader in a silo notice that the master moved a slot into the total meanwhile.
#include "server/process/stats.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/base/check.h"

struct stats_area {
    _Atomic unsigned sequence; // odd while a slot is being folded
    _Atomic unsigned high;     // slots from here on were never used
    struct stats ended;        // counters of workers that are gone
    struct stats shared;       // for workers beyond STATS_WORKERS; inexact
    struct stats slot[STATS_WORKERS];
};

static struct stats_area *area;
static bool claimed[STATS_WORKERS]; // the master's alone

int stats_init(void)
{
    void *p;

    if (area != NULL)
        return 0;
    p = mmap(NULL, sizeof(*area), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return -errno;
    area = p;
    memset(claimed, 0, sizeof(claimed));
    return 0;
}

struct stats *stats_claim(void)
{
    for (unsigned i = 0; i < STATS_WORKERS; i++) {
        if (claimed[i])
            continue;
        claimed[i] = true;
        if (i >= area->high)
            area->high = i + 1;
        return &area->slot[i];
    }
    return NULL;
}

struct stats *stats_shared(void)
{
    return &area->shared;
}

static void add_counters(struct stats *to, struct stats *from)
{
#define COUNTER(name, help) to->name += from->name;
#define GAUGE(name, help)
    STATS(COUNTER, GAUGE)
#undef COUNTER
#undef GAUGE
}

static void add_all(struct stats *to, struct stats *from)
{
#define FIELD(name, help) \
    stats_add(&to->name, atomic_load_explicit(&from->name, memory_order_relaxed));
    STATS(FIELD, FIELD)
#undef FIELD
}

static void clear(struct stats *s)
{
#define FIELD(name, help) atomic_store_explicit(&s->name, 0, memory_order_relaxed);
    STATS(FIELD, FIELD)
#undef FIELD
}

void stats_release(struct stats *s)
{
    ptrdiff_t i = s - area->slot;

    if (s == &area->shared)
        return;
    check(i >= 0 && i < STATS_WORKERS && claimed[i]);
    area->sequence++;
    add_counters(&area->ended, s);
    clear(s);
    area->sequence++;
    claimed[i] = false;
}

void stats_sum(struct stats *out)
{
    unsigned before;

    check(area != NULL);
    do {
        before = area->sequence;
        clear(out);
        add_all(out, &area->ended);
        add_all(out, &area->shared);
        for (unsigned i = 0; i < area->high; i++)
            add_all(out, &area->slot[i]);
    } while ((before & 1) != 0 || before != area->sequence);
}
