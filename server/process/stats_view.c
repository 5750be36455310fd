// SPDX-License-Identifier: Apache-2.0
//
// Copies of the counters, and the rows by which they are listed.
#include "server/process/stats_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "server/process/stats_priv.h"

const struct stats_row stats_rows[] = {
#define COUNTER(name, help) {#name, help, false, offsetof(struct stats, name)},
#define GAUGE(name, help) {#name, help, true, offsetof(struct stats, name)},
    STATS(COUNTER, GAUGE)
#undef COUNTER
#undef GAUGE
};
const size_t stats_nrows = array_len(stats_rows);

#define BY_STATS_NODES STATS_BY_NODE
#define BY_STATS_MEMBERS STATS_BY_MEMBER
const struct stats_array stats_arrays[] = {
#define ARRAY(name, count, help) {#name, help, BY_##count, offsetof(struct stats, name)},
    STATS_BY(ARRAY)
#undef ARRAY
};
const size_t stats_narrays = array_len(stats_arrays);

int64_t stats_value(const struct stats *s, const struct stats_row *row)
{
    const _Atomic int64_t *field = (const void *)((const char *)s + row->offset);

    return atomic_load_explicit(field, memory_order_relaxed);
}

int64_t stats_value_at(const struct stats *s, const struct stats_array *array, unsigned i)
{
    const _Atomic int64_t *field = (const void *)((const char *)s + array->offset);

    return atomic_load_explicit(&field[i], memory_order_relaxed);
}

// FNV-1a. Two programs with other rows of the same size must not read each other's counters.
uint32_t stats_rows_hash(void)
{
    static const char names[] =
#define FIELD(name, help) #name ","
        STATS(FIELD, FIELD)
#undef FIELD
#define ARRAY(name, count, help) #name ":" #count ","
        STATS_BY(ARRAY);
#undef ARRAY
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < sizeof(names); i++)
        hash = (hash ^ (unsigned char)names[i]) * 16777619u;
    return hash;
}

struct stats_snapshot *stats_snapshot_new(void)
{
    return aligned_alloc(_Alignof(struct stats_snapshot), sizeof(struct stats_snapshot));
}

void stats_snapshot_free(struct stats_snapshot *s)
{
    free(s);
}

static void read_text(const struct stats_text *from, char out[STATS_TEXT])
{
    for (size_t i = 0; i < array_len(from->words); i++) {
        uint64_t word = from->words[i];

        memcpy(out + i * sizeof(word), &word, sizeof(word));
    }
    out[STATS_TEXT - 1] = '\0';
}

static void read_infos(const struct stats_area *a, struct stats_snapshot *out)
{
    out->nsilos = min_of(a->nsilos, (unsigned)STATS_SILOS);
    out->nmembers = min_of(a->nmembers, (unsigned)STATS_MEMBERS);
    for (unsigned i = 0; i < out->nsilos; i++) {
        struct stats_silo_info *info = &out->silo[i];

        read_text(&a->silo[i].cpus, info->cpus);
        info->node = a->silo[i].node;
        info->state = (enum stats_silo_state)a->silo[i].state;
        info->pid = a->silo[i].pid;
        info->restarts = a->silo[i].restarts;
        info->workers = 0;
    }
    for (unsigned i = 0; i < out->nmembers; i++) {
        read_text(&a->member[i].name, out->member[i].name);
        out->member[i].node = a->member[i].node;
    }
}

static void zero(struct stats *s)
{
    memset((void *)s, 0, sizeof(*s));
}

static void read_counters(const struct stats_area *a, struct stats_snapshot *out)
{
    unsigned high = min_of(a->high, (unsigned)STATS_WORKERS);

    zero(&out->unplaced);
    stats_add_all(&out->unplaced, &a->ended[STATS_SILOS].stats);
    stats_add_all(&out->unplaced, &a->shared.stats);
    for (unsigned i = 0; i < out->nsilos; i++) {
        zero(&out->silos[i]);
        stats_add_all(&out->silos[i], &a->ended[i].stats);
    }
    for (unsigned i = 0; i < high; i++) {
        unsigned place = a->place[i];
        bool placed = place != 0 && place <= out->nsilos;

        stats_add_all(placed ? &out->silos[place - 1] : &out->unplaced, &a->slot[i].stats);
        if (placed)
            out->silo[place - 1].workers++;
    }
}

static bool name_is_taken(const struct stats_snapshot *s, unsigned i)
{
    for (unsigned j = 0; j < i; j++) {
        if (strcmp(s->member[i].name, s->member[j].name) == 0)
            return true;
    }
    return false;
}

// Bytes of an interface that nobody described are shown, too.
static void add_undescribed(struct stats_snapshot *s)
{
    for (unsigned i = s->nmembers; i < STATS_MEMBERS; i++) {
        if (s->total.egress_member[i] == 0)
            continue;
        while (s->nmembers <= i)
            s->member[s->nmembers++] = (struct stats_member_info){.node = -1};
    }
}

// Two series of one name are an error to a reader of metrics.
static void name_members(struct stats_snapshot *s)
{
    for (unsigned i = 0; i < s->nmembers; i++) {
        if (s->member[i].name[0] == '\0' || name_is_taken(s, i))
            snprintf(s->member[i].name, STATS_TEXT, "#%u", i);
    }
}

static void count_nodes(struct stats_snapshot *s)
{
    int last = -1;

    for (unsigned i = 0; i < s->nsilos; i++)
        last = max_of(last, s->silo[i].node);
    for (unsigned i = 0; i < s->nmembers; i++)
        last = max_of(last, s->member[i].node);
    last = min_of(last, STATS_NODES - 2);
    for (int i = last + 1; i < STATS_NODES - 1; i++) {
        if (s->total.arrived[i] != 0 || s->total.egress_node[i] != 0)
            last = i;
    }
    s->nnodes = (unsigned)(last + 1);
}

void stats_snapshot_take(const struct stats_area *area, struct stats_snapshot *out)
{
    const struct stats_area *a = area != NULL ? area : stats_area();
    struct stats_reading r;

    check(a != NULL);
    stats_read_begin(a, &r);
    do {
        read_infos(a, out);
        read_counters(a, out);
    } while (stats_read_again(a, &r));
    out->taken_ns = clock_read_ns();
    out->taken = time(NULL);
    out->started = a->started;
    out->master = a->master;
    // The total is of what is in the parts, so that they always agree.
    zero(&out->total);
    stats_add_all(&out->total, &out->unplaced);
    for (unsigned i = 0; i < out->nsilos; i++)
        stats_add_all(&out->total, &out->silos[i]);
    add_undescribed(out);
    name_members(out);
    count_nodes(out);
}
