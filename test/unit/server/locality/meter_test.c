// SPDX-License-Identifier: Apache-2.0
//
// Each rule of meter.h by itself, then all of them against a second reading of the same text.
#include "server/locality/meter.h"

#include <criterion/criterion.h>
#include <string.h>

#include "server/process/stats.h"

static struct stats stats;

static void reset(void)
{
    memset((void *)&stats, 0, sizeof(stats));
}

TestSuite(meter, .init = reset);

// Node 0 throughout, sent by interface 0; a test changes what it is about.
static struct meter_path at_home(void)
{
    return (struct meter_path){.buffer_node = -1};
}

static int64_t crossings(void)
{
    return stats.cross_disk + stats.cross_read + stats.cross_write + stats.cross_nic;
}

Test(meter, a_byte_that_stays_on_its_node_crosses_nothing)
{
    struct meter_path p = at_home();

    p.cpu_reads = p.fetched = true;
    meter_bytes(&stats, &p, 1000);
    cr_assert_eq(crossings(), 0);
    cr_assert_eq(stats.bytes_local, 1000);
    cr_assert_eq(stats.bytes_placed, 1000);
    cr_assert_eq(stats.bytes_unplaced, 0);
    cr_assert_eq(stats.egress_node[0], 1000);
    cr_assert_eq(stats.egress_member[0], 1000);
}

Test(meter, a_disk_elsewhere_counts_only_when_it_was_read)
{
    struct meter_path p = at_home();

    p.disk_node = 1;
    meter_bytes(&stats, &p, 10);
    cr_assert_eq(crossings(), 0, "it was in the page cache");
    p.fetched = true;
    meter_bytes(&stats, &p, 10);
    cr_assert_eq(stats.cross_disk, 10);
    cr_assert_eq(crossings(), 10);
}

Test(meter, a_remote_page_is_read_across_by_tls)
{
    struct meter_path p = at_home();

    p.page_node = 1;
    p.cpu_reads = true;
    meter_bytes(&stats, &p, 10);
    cr_assert_eq(stats.cross_read, 10);
    cr_assert_eq(crossings(), 10, "what is sent lies with the worker, where the interface is");
    cr_assert_eq(stats.bytes_remote, 10);
}

Test(meter, a_remote_page_is_fetched_across_by_the_interface_without_tls)
{
    struct meter_path p = at_home();

    p.page_node = 1;
    meter_bytes(&stats, &p, 10);
    cr_assert_eq(stats.cross_nic, 10);
    cr_assert_eq(crossings(), 10);
    reset();
    p.egress_node = 1;
    meter_bytes(&stats, &p, 10);
    cr_assert_eq(crossings(), 0, "page and interface are together; the CPU touches nothing");
    cr_assert_eq(stats.bytes_remote, 10);
}

Test(meter, egress_elsewhere_is_one_crossing_with_and_without_tls)
{
    struct meter_path p = at_home();

    p.egress_node = 1;
    p.member = 3;
    meter_bytes(&stats, &p, 10);
    p.cpu_reads = true;
    meter_bytes(&stats, &p, 10);
    cr_assert_eq(stats.cross_nic, 20);
    cr_assert_eq(crossings(), 20);
    cr_assert_eq(stats.egress_node[1], 20);
    cr_assert_eq(stats.egress_member[3], 20);
}

Test(meter, a_buffer_elsewhere_is_written_across_and_sent_from_there)
{
    struct meter_path p = at_home();

    p.buffer_node = 1;
    meter_bytes(&stats, &p, 10);
    cr_assert_eq(crossings(), 0, "without a CPU that reads there is no buffer");
    p.cpu_reads = true;
    meter_bytes(&stats, &p, 10);
    cr_assert_eq(stats.cross_write, 10);
    cr_assert_eq(stats.cross_nic, 10);
    reset();
    p.egress_node = 1;
    meter_bytes(&stats, &p, 10);
    cr_assert_eq(stats.cross_write, 10);
    cr_assert_eq(stats.cross_nic, 0);
}

Test(meter, the_worst_case_is_four)
{
    struct meter_path p = {.worker_node = 0, .page_node = 1, .buffer_node = 1, .egress_node = 0,
                           .disk_node = 1, .fetched = true, .cpu_reads = true};

    meter_bytes(&stats, &p, 10);
    cr_assert_eq(crossings(), 40);
}

Test(meter, a_replica_is_counted_as_one_and_placed)
{
    struct meter_path p = at_home();

    p.replica = true;
    meter_bytes(&stats, &p, 10);
    cr_assert_eq(stats.bytes_replica, 10);
    cr_assert_eq(stats.bytes_local, 0);
    cr_assert_eq(stats.bytes_placed, 10);
    cr_assert_eq(crossings(), 0);
}

Test(meter, an_unknown_egress_leaves_the_page_known)
{
    struct meter_path p = at_home();

    p.egress_node = -1;
    p.member = METER_MEMBER_NONE;
    p.page_node = 1;
    p.cpu_reads = true;
    meter_bytes(&stats, &p, 10);
    cr_assert_eq(stats.bytes_unplaced, 10);
    cr_assert_eq(stats.bytes_placed, 0);
    cr_assert_eq(stats.bytes_remote, 10);
    cr_assert_eq(crossings(), 0, "or the quotient would be too large");
    cr_assert_eq(stats.egress_node[STATS_NODES - 1], 10);
    for (unsigned i = 0; i < STATS_MEMBERS; i++)
        cr_assert_eq(stats.egress_member[i], 0);
}

Test(meter, an_unknown_page_is_unplaced_and_of_no_kind)
{
    struct meter_path p = at_home();

    p.page_node = -1;
    meter_bytes(&stats, &p, 10);
    cr_assert_eq(stats.bytes_unplaced, 10);
    cr_assert_eq(stats.bytes_local + stats.bytes_remote + stats.bytes_replica, 0);
}

Test(meter, an_unbound_worker_is_placed_only_where_its_node_does_not_matter)
{
    struct meter_path p = at_home();

    p.worker_node = -1;
    p.egress_node = 1;
    meter_bytes(&stats, &p, 10);
    cr_assert_eq(stats.bytes_placed, 10);
    cr_assert_eq(stats.cross_nic, 10);
    p.cpu_reads = true;
    p.buffer_node = 0;
    meter_bytes(&stats, &p, 5);
    cr_assert_eq(stats.bytes_unplaced, 5);
    cr_assert_eq(stats.cross_nic, 10);
    cr_assert_eq(stats.bytes_local + stats.bytes_remote, 0);
}

Test(meter, an_unknown_disk_leaves_the_rest_counted)
{
    struct meter_path p = at_home();

    p.disk_node = -1;
    p.fetched = true;
    p.egress_node = 1;
    meter_bytes(&stats, &p, 10);
    cr_assert_eq(stats.cross_disk, 0);
    cr_assert_eq(stats.cross_nic, 10);
    cr_assert_eq(stats.bytes_placed, 10);
}

Test(meter, numbers_beyond_the_tables_are_counted_as_unknown)
{
    struct meter_path p = at_home();

    p.egress_node = 1000;
    p.member = STATS_MEMBERS;
    meter_bytes(&stats, &p, 10);
    cr_assert_eq(stats.egress_node[STATS_NODES - 1], 10);
    cr_assert_eq(stats.cross_nic, 10, "a node is a node");
}

Test(meter, nothing_known_counts_bytes_and_no_more)
{
    struct meter_path p = METER_PATH_UNKNOWN;

    p.fetched = p.cpu_reads = true;
    meter_bytes(&stats, &p, 10);
    cr_assert_eq(stats.bytes_unplaced, 10);
    cr_assert_eq(crossings() + stats.bytes_local + stats.bytes_remote, 0);
}

// A second reading of the rules, by stops of the way instead of by counters: where the bytes are
// after each stop, and whether moving there left a node.
struct walk {
    bool placed;
    int64_t disk, read, write, nic;
};

static struct walk follow(const struct meter_path *p)
{
    struct walk w = {.placed = true};
    int memory = p->page_node;

    if (p->fetched && p->disk_node != -1 && p->worker_node != -1)
        w.disk = p->disk_node != p->worker_node;
    if (p->cpu_reads) {
        int written = p->buffer_node == -1 ? p->worker_node : p->buffer_node;

        w.read = memory != p->worker_node;
        w.write = written != p->worker_node;
        w.placed = p->worker_node != -1;
        memory = written;
    }
    w.nic = memory != p->egress_node;
    if (p->page_node == -1 || p->egress_node == -1)
        w.placed = false;
    return w.placed ? w : (struct walk){.placed = false};
}

static void compare(const struct meter_path *p)
{
    struct walk w = follow(p);

    reset();
    meter_bytes(&stats, p, 1);
    cr_assert(stats.cross_disk == w.disk && stats.cross_read == w.read &&
                  stats.cross_write == w.write && stats.cross_nic == w.nic &&
                  stats.bytes_placed == w.placed && stats.bytes_unplaced == !w.placed,
              "worker %d page %d egress %d disk %d buffer %d cpu %d fetched %d", p->worker_node,
              p->page_node, p->egress_node, p->disk_node, p->buffer_node, p->cpu_reads,
              p->fetched);
    cr_assert_leq(stats.bytes_local + stats.bytes_remote + stats.bytes_replica, 1);
}

Test(meter, every_path_over_two_nodes_agrees_with_a_walk_along_it)
{
    for (unsigned i = 0; i < 243 * 8; i++) {
        unsigned n = i / 8;
        struct meter_path p = {.cpu_reads = i & 1, .fetched = i & 2, .replica = i & 4};

        p.worker_node = (int)(n % 3) - 1;
        p.page_node = (int)(n / 3 % 3) - 1;
        p.egress_node = (int)(n / 9 % 3) - 1;
        p.disk_node = (int)(n / 27 % 3) - 1;
        p.buffer_node = (int)(n / 81 % 3) - 1;
        compare(&p);
    }
}
