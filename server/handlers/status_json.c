// SPDX-License-Identifier: Apache-2.0
#include "lib/base/compiler.h"
#include "lib/base/json_writer.h"
#include "server/handlers/status.h"
#include "server/process/stats_view.h"
#include "version.h"

const char *status_state_name(int state)
{
    static const char *const names[] = {
        [STATS_SILO_STARTING] = "starting", [STATS_SILO_UP] = "up",
        [STATS_SILO_DRAINING] = "draining", [STATS_SILO_PAUSING] = "pausing",
        [STATS_SILO_GONE] = "gone",
    };

    return state >= 0 && state < (int)array_len(names) ? names[state] : "unknown";
}

// A number that is no number below `least` is null.
static void put_or_null(struct json_writer *j, const char *name, int value, int least)
{
    if (value < least)
        json_null(j, name);
    else
        json_number(j, name, value);
}

static void put_by_node(struct json_writer *j, const struct stats_snapshot *s,
                        const struct stats *counters, const struct stats_array *array)
{
    char node[16];

    for (unsigned i = 0; i < s->nnodes; i++) {
        snprintf(node, sizeof(node), "%u", i);
        json_number(j, node, stats_value_at(counters, array, i));
    }
    json_number(j, "unknown", stats_value_at(counters, array, STATS_NODES - 1));
}

static void put_by_member(struct json_writer *j, const struct stats_snapshot *s,
                          const struct stats *counters, const struct stats_array *array)
{
    for (unsigned i = 0; i < s->nmembers; i++)
        json_number(j, s->member[i].name, stats_value_at(counters, array, i));
}

static void put_crossings(struct json_writer *j, const struct stats *c)
{
    double bytes = (double)c->bytes_placed;
    int64_t all = c->cross_disk + c->cross_read + c->cross_write + c->cross_nic;

    if (c->bytes_placed <= 0) {
        json_null(j, "crossings_per_byte");
        return;
    }
    json_object(j, "crossings_per_byte");
    json_fraction(j, "disk", (double)c->cross_disk / bytes);
    json_fraction(j, "read", (double)c->cross_read / bytes);
    json_fraction(j, "write", (double)c->cross_write / bytes);
    json_fraction(j, "nic", (double)c->cross_nic / bytes);
    json_fraction(j, "all", (double)all / bytes);
    json_end(j);
}

static void put_counters(struct json_writer *j, const char *name, const struct stats_snapshot *s,
                         const struct stats *counters)
{
    json_object(j, name);
    for (size_t i = 0; i < stats_nrows; i++)
        json_number(j, stats_rows[i].name, stats_value(counters, &stats_rows[i]));
    for (size_t i = 0; i < stats_narrays; i++) {
        json_object(j, stats_arrays[i].name);
        if (stats_arrays[i].by == STATS_BY_NODE)
            put_by_node(j, s, counters, &stats_arrays[i]);
        else
            put_by_member(j, s, counters, &stats_arrays[i]);
        json_end(j);
    }
    put_crossings(j, counters);
    json_end(j);
}

static void put_silo(struct json_writer *j, const struct stats_snapshot *s, unsigned i)
{
    const struct stats_silo_info *info = &s->silo[i];

    json_object(j, NULL);
    json_number(j, "silo", i);
    put_or_null(j, "node", info->node, 0);
    json_text(j, "cpus", info->cpus);
    json_text(j, "state", status_state_name((int)info->state));
    put_or_null(j, "pid", info->pid, 1);
    json_number(j, "restarts", info->restarts);
    json_number(j, "workers", info->workers);
    put_counters(j, "counters", s, &s->silos[i]);
    json_end(j);
}

void status_write_json(FILE *out, const struct stats_snapshot *s)
{
    struct json_writer writer, *j = &writer;

    json_start_compact(j, out);
    json_object(j, NULL);
    json_number(j, "schema", STATUS_SCHEMA);
    json_text(j, "server", "millrace");
    json_text(j, "version", MILLRACE_VERSION);
    put_or_null(j, "pid", s->master, 1);
    json_number(j, "started", s->started);
    json_number(j, "time", s->taken);
    put_counters(j, "total", s, &s->total);
    json_list(j, "silos");
    for (unsigned i = 0; i < s->nsilos; i++)
        put_silo(j, s, i);
    json_end(j);
    json_list(j, "members");
    for (unsigned i = 0; i < s->nmembers; i++) {
        json_object(j, NULL);
        json_text(j, "member", s->member[i].name);
        put_or_null(j, "node", s->member[i].node, 0);
        json_end(j);
    }
    json_end(j);
    json_end(j);
}
