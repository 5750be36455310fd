// SPDX-License-Identifier: Apache-2.0
#include "server/locality/meter.h"

#include "server/process/stats.h"

static bool differ(int a, int b)
{
    return a >= 0 && b >= 0 && a != b;
}

// The node of the memory that the interface reads; -1: unknown.
static int transmitted_node(const struct meter_path *p)
{
    if (!p->cpu_reads)
        return p->page_node;
    return p->worker_node >= 0 && p->buffer_node >= 0 ? p->buffer_node : p->worker_node;
}

static void count_pages(struct stats *s, const struct meter_path *p, int64_t n)
{
    if (p->replica)
        stats_add(&s->bytes_replica, n);
    else if (p->page_node >= 0 && p->worker_node >= 0)
        stats_add(p->page_node == p->worker_node ? &s->bytes_local : &s->bytes_remote, n);
}

static void count_egress(struct stats *s, const struct meter_path *p, int64_t n)
{
    stats_add(&s->egress_node[stats_node(p->egress_node)], n);
    if (p->member < STATS_MEMBERS)
        stats_add(&s->egress_member[p->member], n);
}

static void count_stops(struct stats *s, const struct meter_path *p, int64_t n)
{
    if (p->fetched && differ(p->disk_node, p->worker_node))
        stats_add(&s->cross_disk, n);
    if (p->cpu_reads && differ(p->page_node, p->worker_node))
        stats_add(&s->cross_read, n);
    if (p->cpu_reads && differ(p->buffer_node, p->worker_node))
        stats_add(&s->cross_write, n);
    if (differ(transmitted_node(p), p->egress_node))
        stats_add(&s->cross_nic, n);
}

void meter_bytes(struct stats *stats, const struct meter_path *path, uint64_t n)
{
    bool placed =
        path->page_node >= 0 && path->egress_node >= 0 && transmitted_node(path) >= 0;

    count_pages(stats, path, (int64_t)n);
    count_egress(stats, path, (int64_t)n);
    stats_add(placed ? &stats->bytes_placed : &stats->bytes_unplaced, (int64_t)n);
    if (placed)
        count_stops(stats, path, (int64_t)n);
}
