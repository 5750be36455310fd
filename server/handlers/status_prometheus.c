// SPDX-License-Identifier: Apache-2.0
//
// Prometheus' text format 0.0.4: all series of a metric stand together behind its HELP and TYPE.
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "lib/base/compiler.h"
#include "server/handlers/status.h"
#include "server/process/stats_view.h"
#include "version.h"

struct page {
    FILE *out;
    const struct stats_snapshot *s;
    bool unplaced; // there are counters of no silo
};

// A label's value is UTF-8, of which only ASCII is kept; quotes and backslashes are escaped.
static void put_label(FILE *out, const char *name, const char *value)
{
    fprintf(out, "%s=\"", name);
    for (const unsigned char *p = (const unsigned char *)value; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else if (*p == '\n')
            fputs("\\n", out);
        else if (*p < 0x20 || *p >= 0x7f)
            fprintf(out, "\\\\x%02x", *p);
        else
            fputc(*p, out);
    }
    fputc('"', out);
}

static void put_node(FILE *out, int node)
{
    if (node < 0)
        fputs(",node=\"unknown\"", out);
    else
        fprintf(out, ",node=\"%d\"", node);
}

static void put_silo(FILE *out, unsigned silo)
{
    if (silo == STATS_SILOS)
        fputs("silo=\"none\"", out);
    else
        fprintf(out, "silo=\"%u\"", silo);
}

static void put_head(FILE *out, const char *name, const char *suffix, const char *type,
                     const char *help)
{
    fprintf(out, "# HELP millrace_%s%s %s\n# TYPE millrace_%s%s %s\n", name, suffix, help, name,
            suffix, type);
}

// The silo behind `i`, which is STATS_SILOS for those of none; false at the end.
static bool next_silo(const struct page *p, unsigned *i)
{
    if (*i < p->s->nsilos)
        return true;
    if (*i > STATS_SILOS || !p->unplaced)
        return false;
    *i = STATS_SILOS;
    return true;
}

static const struct stats *counters_of(const struct page *p, unsigned silo)
{
    return silo == STATS_SILOS ? &p->s->unplaced : &p->s->silos[silo];
}

static void put_row(const struct page *p, const struct stats_row *row)
{
    const char *suffix = row->gauge ? "" : "_total";

    put_head(p->out, row->name, suffix, row->gauge ? "gauge" : "counter", row->help);
    for (unsigned i = 0; next_silo(p, &i); i++) {
        fprintf(p->out, "millrace_%s%s{", row->name, suffix);
        put_silo(p->out, i);
        put_node(p->out, i == STATS_SILOS ? -1 : p->s->silo[i].node);
        fprintf(p->out, "} %" PRId64 "\n", stats_value(counters_of(p, i), row));
    }
}

static void put_nodes(const struct page *p, const struct stats_array *array, unsigned silo)
{
    for (unsigned i = 0; i <= p->s->nnodes; i++) {
        bool unknown = i == p->s->nnodes;
        unsigned at = unknown ? STATS_NODES - 1 : i;

        fprintf(p->out, "millrace_%s_total{", array->name);
        put_silo(p->out, silo);
        put_node(p->out, unknown ? -1 : (int)i);
        fprintf(p->out, "} %" PRId64 "\n", stats_value_at(counters_of(p, silo), array, at));
    }
}

static void put_members(const struct page *p, const struct stats_array *array, unsigned silo)
{
    for (unsigned i = 0; i < p->s->nmembers; i++) {
        fprintf(p->out, "millrace_%s_total{", array->name);
        put_silo(p->out, silo);
        fputc(',', p->out);
        put_label(p->out, "member", p->s->member[i].name);
        put_node(p->out, p->s->member[i].node);
        fprintf(p->out, "} %" PRId64 "\n", stats_value_at(counters_of(p, silo), array, i));
    }
}

static void put_array(const struct page *p, const struct stats_array *array)
{
    put_head(p->out, array->name, "_total", "counter", array->help);
    for (unsigned i = 0; next_silo(p, &i); i++) {
        if (array->by == STATS_BY_NODE)
            put_nodes(p, array, i);
        else
            put_members(p, array, i);
    }
}

static void put_program(const struct page *p)
{
    put_head(p->out, "build_info", "", "gauge", "the program; always 1");
    fprintf(p->out, "millrace_build_info{version=\"%s\"} 1\n", MILLRACE_VERSION);
    put_head(p->out, "start_time_seconds", "", "gauge", "when the master started");
    fprintf(p->out, "millrace_start_time_seconds %" PRId64 "\n", p->s->started);
}

static void put_info(const struct page *p)
{
    put_head(p->out, "silo_info", "", "gauge", "what a silo is; always 1");
    for (unsigned i = 0; i < p->s->nsilos; i++) {
        fputs("millrace_silo_info{", p->out);
        put_silo(p->out, i);
        put_node(p->out, p->s->silo[i].node);
        fputc(',', p->out);
        put_label(p->out, "cpus", p->s->silo[i].cpus);
        fputs("} 1\n", p->out);
    }
}

static unsigned is_up(const struct stats_silo_info *info)
{
    return info->state == STATS_SILO_UP;
}

static unsigned restarts(const struct stats_silo_info *info)
{
    return info->restarts;
}

static unsigned workers(const struct stats_silo_info *info)
{
    return info->workers;
}

static void put_of_silos(const struct page *p, const char *name, const char *suffix,
                         const char *type, const char *help,
                         unsigned (*value)(const struct stats_silo_info *info))
{
    put_head(p->out, name, suffix, type, help);
    for (unsigned i = 0; i < p->s->nsilos; i++) {
        fprintf(p->out, "millrace_%s%s{", name, suffix);
        put_silo(p->out, i);
        put_node(p->out, p->s->silo[i].node);
        fprintf(p->out, "} %u\n", value(&p->s->silo[i]));
    }
}

static bool any_value(const struct stats *s)
{
    static const struct stats zeroes;

    return memcmp(s, &zeroes, sizeof(zeroes)) != 0;
}

void status_write_prometheus(FILE *out, const struct stats_snapshot *s)
{
    struct page p = {.out = out, .s = s, .unplaced = s->nsilos == 0 || any_value(&s->unplaced)};

    put_program(&p);
    put_info(&p);
    put_of_silos(&p, "silo_up", "", "gauge", "1 when it accepts connections", is_up);
    put_of_silos(&p, "silo_restarts", "_total", "counter",
                 "how often it was started in place of a dead one", restarts);
    put_of_silos(&p, "silo_workers", "", "gauge",
                 "its workers, those that finish an old configuration included", workers);
    for (size_t i = 0; i < stats_nrows; i++)
        put_row(&p, &stats_rows[i]);
    for (size_t i = 0; i < stats_narrays; i++)
        put_array(&p, &stats_arrays[i]);
}
