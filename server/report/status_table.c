// SPDX-License-Identifier: Apache-2.0
#include "server/report/status_table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "lib/base/compiler.h"
#include "server/handlers/status.h"
#include "server/process/stats_view.h"
#include "version.h"

enum { CELL = 80 };

// One row of the table.
struct line {
    const struct stats_silo_info *info; // NULL: the total
    const struct stats *before, *after;
    unsigned index, workers;
    double seconds;
    bool metered; // body bytes are counted as they go
};

static double since(int64_t before, int64_t after)
{
    return after > before ? (double)(after - before) : 0;
}

#define SINCE(line, field) since((line)->before->field, (line)->after->field)

static void put(char *cell, const char *fmt, ...) printf_like(2, 3);

static void put(char *cell, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(cell, CELL, fmt, args);
    va_end(args);
}

// At most 7 characters up to 10^15.
static void put_count(char *cell, double n)
{
    static const char units[] = {'k', 'M', 'G', 'T'};
    size_t unit = 0;

    if (n < 999999.5) {
        put(cell, "%.0f", n);
        return;
    }
    for (n /= 1000; n >= 9999.95 && unit + 1 < sizeof(units); unit++)
        n /= 1000;
    put(cell, "%.1f%c", n, units[unit]);
}

static void put_rate(char *cell, const struct line *l, double n)
{
    double rate = l->seconds > 0 ? n / l->seconds : 0;

    if (rate < 999.95)
        put(cell, "%.1f", rate);
    else
        put_count(cell, rate);
}

static void put_share(char *cell, double part, double whole)
{
    if (whole > 0)
        put(cell, "%.1f", 100 * part / whole);
    else
        put(cell, "-");
}

static void put_quotient(char *cell, double n, double bytes)
{
    if (bytes > 0)
        put(cell, "%.4f", n / bytes);
    else
        put(cell, "-");
}

static double gigabits(double bytes, double seconds)
{
    return seconds > 0 ? bytes * 8 / seconds / 1e9 : 0;
}

static void cell_silo(char *cell, const struct line *l)
{
    if (l->info != NULL)
        put(cell, "%u", l->index);
    else
        put(cell, "all");
}

static void cell_node(char *cell, const struct line *l)
{
    if (l->info == NULL)
        put(cell, "%s", "");
    else if (l->info->node < 0)
        put(cell, "-");
    else
        put(cell, "%d", l->info->node);
}

static void cell_cpus(char *cell, const struct line *l)
{
    put(cell, "%s", l->info != NULL ? l->info->cpus : "");
}

static void cell_state(char *cell, const struct line *l)
{
    put(cell, "%s", l->info != NULL ? status_state_name((int)l->info->state) : "");
}

static void cell_workers(char *cell, const struct line *l)
{
    put(cell, "%u", l->workers);
}

static void cell_connections(char *cell, const struct line *l)
{
    put_count(cell, since(0, l->after->active));
}

static void cell_requests(char *cell, const struct line *l)
{
    put_rate(cell, l, SINCE(l, requests));
}

static double body_bytes(const struct line *l)
{
    return SINCE(l, bytes_placed) + SINCE(l, bytes_unplaced);
}

static void cell_out(char *cell, const struct line *l)
{
    put(cell, "%.3f", gigabits(l->metered ? body_bytes(l) : SINCE(l, bytes_sent), l->seconds));
}

static void cell_right(char *cell, const struct line *l)
{
    double right = SINCE(l, steered);

    put_share(cell, right, right + SINCE(l, handed_over) + SINCE(l, handoff_refused));
}

static void cell_handed(char *cell, const struct line *l)
{
    put_rate(cell, l, SINCE(l, handed_over));
}

static double known_bytes(const struct line *l)
{
    return SINCE(l, bytes_local) + SINCE(l, bytes_remote) + SINCE(l, bytes_replica);
}

static void cell_local(char *cell, const struct line *l)
{
    put_share(cell, SINCE(l, bytes_local), known_bytes(l));
}

static void cell_replica(char *cell, const struct line *l)
{
    put_share(cell, SINCE(l, bytes_replica), known_bytes(l));
}

#define CROSSING(kind)                                                          \
    static void cell_##kind(char *cell, const struct line *l)                   \
    {                                                                           \
        put_quotient(cell, SINCE(l, cross_##kind), SINCE(l, bytes_placed));     \
    }
CROSSING(disk)
CROSSING(read)
CROSSING(write)
CROSSING(nic)

static void cell_crossings(char *cell, const struct line *l)
{
    put_quotient(cell,
                 SINCE(l, cross_disk) + SINCE(l, cross_read) + SINCE(l, cross_write) +
                     SINCE(l, cross_nic),
                 SINCE(l, bytes_placed));
}

// Columns from left to right; of `rank` those with the smallest stay longest.
static const struct column {
    const char *title;
    unsigned width, rank;
    void (*cell)(char *cell, const struct line *l);
} columns[] = {
    {"silo", 4, 0, cell_silo},
    {"node", 4, 1, cell_node},
    {"cpus", 12, 12, cell_cpus},
    {"state", 8, 11, cell_state},
    {"work", 4, 9, cell_workers},
    {"conns", 7, 3, cell_connections},
    {"req/s", 7, 4, cell_requests},
    {"Gbit/s", 7, 2, cell_out},
    {"right%", 6, 7, cell_right},
    {"over/s", 6, 8, cell_handed},
    {"local%", 6, 6, cell_local},
    {"repl%", 5, 10, cell_replica},
    {"cross/B", 7, 5, cell_crossings},
    {"disk/B", 6, 13, cell_disk},
    {"read/B", 6, 14, cell_read},
    {"write/B", 7, 15, cell_write},
    {"nic/B", 6, 16, cell_nic},
};

// How many ranks fit.
static unsigned ranks_for(unsigned width)
{
    unsigned used = 0;

    for (unsigned rank = 0; rank < array_len(columns); rank++) {
        for (size_t i = 0; i < array_len(columns); i++) {
            if (columns[i].rank == rank)
                used += columns[i].width + (rank > 0);
        }
        if (used > width)
            return max_of(rank, 1u);
    }
    return array_len(columns);
}

// Names come from other programs, and a terminal obeys control characters.
static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < 0x20 || *text >= 0x7f)
            *text = '?';
    }
}

// A cell that is too long is cut rather than let the columns slip.
static void put_row(FILE *out, const struct line *l, unsigned ranks)
{
    char cell[CELL];
    bool first = true;

    for (size_t i = 0; i < array_len(columns); i++) {
        const struct column *c = &columns[i];

        if (c->rank >= ranks)
            continue;
        if (l != NULL)
            c->cell(cell, l);
        else
            put(cell, "%s", c->title);
        make_printable(cell);
        fprintf(out, "%s%*.*s", first ? "" : " ", (int)c->width, (int)c->width, cell);
        first = false;
    }
    fputc('\n', out);
}

// A line of text, cut to the width.
static void put_text(FILE *out, unsigned width, const char *fmt, ...) printf_like(3, 4);

static void put_text(FILE *out, unsigned width, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    make_printable(text);
    fprintf(out, "%.*s\n", (int)width, text);
}

static void put_head(FILE *out, const struct stats_snapshot *s, unsigned width)
{
    int64_t up = max_of(s->taken - s->started, (int64_t)0);
    char master[32] = "";

    if (s->master > 0)
        snprintf(master, sizeof(master), ", master %d", s->master);
    put_text(out, width, "millrace %s%s, up %" PRId64 "d %02d:%02d:%02d", MILLRACE_VERSION, master,
             up / 86400, (int)(up / 3600 % 24), (int)(up / 60 % 60), (int)(up % 60));
}

static struct line line_of(const struct stats_snapshot *before, const struct stats_snapshot *after)
{
    return (struct line){
        .before = &before->total,
        .after = &after->total,
        .seconds = since((int64_t)before->taken_ns, (int64_t)after->taken_ns) / 1e9,
        .metered = after->total.bytes_placed + after->total.bytes_unplaced > 0,
    };
}

static void put_silos(FILE *out, const struct stats_snapshot *before,
                      const struct stats_snapshot *after, unsigned ranks)
{
    static const struct stats nothing;
    struct line total = line_of(before, after);

    put_row(out, NULL, ranks);
    for (unsigned i = 0; i < after->nsilos; i++) {
        struct line l = total;

        total.workers += after->silo[i].workers;
        if (after->silo[i].state == STATS_SILO_GONE && after->silo[i].workers == 0)
            continue;
        l.info = &after->silo[i];
        l.index = i;
        l.workers = after->silo[i].workers;
        l.before = i < before->nsilos ? &before->silos[i] : &nothing;
        l.after = &after->silos[i];
        put_row(out, &l, ranks);
    }
    put_row(out, &total, ranks);
}

static bool is_remarkable(const struct stats_silo_info *info)
{
    return (info->state != STATS_SILO_UP && info->state != STATS_SILO_GONE) || info->restarts > 0;
}

static void put_remarks(FILE *out, const struct stats_snapshot *s, unsigned width)
{
    for (unsigned i = 0; i < s->nsilos; i++) {
        if (is_remarkable(&s->silo[i]))
            put_text(out, width, "silo %u: %s, started again %u times", i,
                     status_state_name((int)s->silo[i].state), s->silo[i].restarts);
    }
}

static void put_arrivals(FILE *out, const struct stats_snapshot *before,
                         const struct stats_snapshot *after, unsigned width)
{
    struct line l = line_of(before, after);
    char text[512] = "", cell[CELL], name[16];

    for (unsigned i = 0; i < STATS_NODES; i++) {
        bool unknown = i == STATS_NODES - 1;
        size_t n = strlen(text);

        if (unknown ? after->total.arrived[i] == 0 : i >= after->nnodes)
            continue;
        snprintf(name, sizeof(name), unknown ? "unknown" : "node %u", i);
        put_rate(cell, &l, SINCE(&l, arrived[i]));
        snprintf(text + n, sizeof(text) - n, "%s %s %s/s", n > 0 ? "," : "", name, cell);
    }
    if (text[0] != '\0')
        put_text(out, width, "connections arrived:%s", text);
}

static void put_members(FILE *out, const struct stats_snapshot *before,
                        const struct stats_snapshot *after, unsigned width)
{
    struct line l = line_of(before, after);
    double all = 0;
    char share[CELL], node[16];

    if (after->nmembers == 0)
        return;
    for (unsigned i = 0; i < after->nmembers; i++)
        all += SINCE(&l, egress_member[i]);
    put_text(out, width, "%-16s %4s %8s %6s %16s", "egress", "node", "Gbit/s", "share%", "bytes");
    for (unsigned i = 0; i < after->nmembers; i++) {
        double bytes = SINCE(&l, egress_member[i]);

        put_share(share, bytes, all);
        snprintf(node, sizeof(node), after->member[i].node < 0 ? "-" : "%d",
                 after->member[i].node);
        put_text(out, width, "%-16s %4s %8.3f %6s %16" PRId64, after->member[i].name, node,
                 gigabits(bytes, l.seconds), share, (int64_t)after->total.egress_member[i]);
    }
}

void status_table(FILE *out, const struct stats_snapshot *before,
                  const struct stats_snapshot *after, unsigned width)
{
    put_head(out, after, width);
    fputc('\n', out);
    put_silos(out, before, after, ranks_for(width));
    fputc('\n', out);
    put_remarks(out, after, width);
    put_arrivals(out, before, after, width);
    put_members(out, before, after, width);
}
