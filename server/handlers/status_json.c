// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdbool.h>

#include "lib/base/compiler.h"
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

// RFC 8259, 7.
static void put_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else if (*p < 0x20 || *p >= 0x7f)
            fprintf(out, "\\u%04x", *p);
        else
            fputc(*p, out);
    }
    fputc('"', out);
}

// A number that is no number below `least` is null.
static void put_or_null(FILE *out, const char *name, int value, int least)
{
    if (value < least)
        fprintf(out, "\"%s\":null", name);
    else
        fprintf(out, "\"%s\":%d", name, value);
}

static void put_by_node(FILE *out, const struct stats_snapshot *s, const struct stats *counters,
                        const struct stats_array *array)
{
    for (unsigned i = 0; i < s->nnodes; i++)
        fprintf(out, "\"%u\":%" PRId64 ",", i, stats_value_at(counters, array, i));
    fprintf(out, "\"unknown\":%" PRId64, stats_value_at(counters, array, STATS_NODES - 1));
}

static void put_by_member(FILE *out, const struct stats_snapshot *s, const struct stats *counters,
                          const struct stats_array *array)
{
    for (unsigned i = 0; i < s->nmembers; i++) {
        if (i > 0)
            fputc(',', out);
        put_string(out, s->member[i].name);
        fprintf(out, ":%" PRId64, stats_value_at(counters, array, i));
    }
}

static void put_crossings(FILE *out, const struct stats *c)
{
    double bytes = (double)c->bytes_placed;
    int64_t all = c->cross_disk + c->cross_read + c->cross_write + c->cross_nic;

    if (c->bytes_placed <= 0) {
        fputs("\"crossings_per_byte\":null", out);
        return;
    }
    fprintf(out,
            "\"crossings_per_byte\":{\"disk\":%.6f,\"read\":%.6f,\"write\":%.6f,\"nic\":%.6f,"
            "\"all\":%.6f}",
            (double)c->cross_disk / bytes, (double)c->cross_read / bytes,
            (double)c->cross_write / bytes, (double)c->cross_nic / bytes, (double)all / bytes);
}

static void put_counters(FILE *out, const struct stats_snapshot *s, const struct stats *counters)
{
    fputc('{', out);
    for (size_t i = 0; i < stats_nrows; i++)
        fprintf(out, "\"%s\":%" PRId64 ",", stats_rows[i].name,
                stats_value(counters, &stats_rows[i]));
    for (size_t i = 0; i < stats_narrays; i++) {
        fprintf(out, "\"%s\":{", stats_arrays[i].name);
        if (stats_arrays[i].by == STATS_BY_NODE)
            put_by_node(out, s, counters, &stats_arrays[i]);
        else
            put_by_member(out, s, counters, &stats_arrays[i]);
        fputs("},", out);
    }
    put_crossings(out, counters);
    fputc('}', out);
}

static void put_silo(FILE *out, const struct stats_snapshot *s, unsigned i)
{
    const struct stats_silo_info *info = &s->silo[i];

    fprintf(out, "{\"silo\":%u,", i);
    put_or_null(out, "node", info->node, 0);
    fputs(",\"cpus\":", out);
    put_string(out, info->cpus);
    fprintf(out, ",\"state\":\"%s\",", status_state_name((int)info->state));
    put_or_null(out, "pid", info->pid, 1);
    fprintf(out, ",\"restarts\":%u,\"workers\":%u,\"counters\":", info->restarts, info->workers);
    put_counters(out, s, &s->silos[i]);
    fputc('}', out);
}

void status_write_json(FILE *out, const struct stats_snapshot *s)
{
    fprintf(out, "{\"schema\":%d,\"server\":\"millrace\",\"version\":\"%s\",", STATUS_SCHEMA,
            MILLRACE_VERSION);
    put_or_null(out, "pid", s->master, 1);
    fprintf(out, ",\"started\":%" PRId64 ",\"time\":%" PRId64 ",\"total\":", s->started, s->taken);
    put_counters(out, s, &s->total);
    fputs(",\"silos\":[", out);
    for (unsigned i = 0; i < s->nsilos; i++) {
        if (i > 0)
            fputc(',', out);
        put_silo(out, s, i);
    }
    fputs("],\"members\":[", out);
    for (unsigned i = 0; i < s->nmembers; i++) {
        fputs(i > 0 ? ",{\"member\":" : "{\"member\":", out);
        put_string(out, s->member[i].name);
        fputc(',', out);
        put_or_null(out, "node", s->member[i].node, 0);
        fputc('}', out);
    }
    fputs("]}\n", out);
}
