// SPDX-License-Identifier: Apache-2.0
//
// The table from two made-up copies of the counters, two seconds apart.
#include "server/report/status_table.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "server/process/stats_view.h"

static struct stats_snapshot *before, *after;

static void set_up(void)
{
    before = stats_snapshot_new();
    after = stats_snapshot_new();
    cr_assert(before != NULL && after != NULL);
    memset((void *)before, 0, sizeof(*before));
    before->taken_ns = 5000000000;
    before->nsilos = 2;
    before->nnodes = 2;
    before->started = 1000;
    before->taken = 1000 + 86400 + 3 * 3600 + 4 * 60 + 5;
    before->master = 42;
    for (unsigned i = 0; i < 2; i++)
        before->silo[i] = (struct stats_silo_info){
            .cpus = "0-3", .node = (int)i, .state = STATS_SILO_UP, .workers = 4};
    memcpy((void *)after, before, sizeof(*after));
    after->taken_ns += 2000000000;
}

static void tear_down(void)
{
    stats_snapshot_free(before);
    stats_snapshot_free(after);
}

TestSuite(status_table, .init = set_up, .fini = tear_down);

static char *table(unsigned width)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    cr_assert_not_null(out);
    status_table(out, before, after, width);
    cr_assert_eq(fclose(out), 0);
    return text;
}

// The n-th line; "" beyond the last.
static const char *line(const char *text, unsigned n)
{
    for (; n > 0; n--) {
        text += strcspn(text, "\n");
        if (*text == '\0')
            return text;
        text++;
    }
    return text;
}

// What stands below a title, `row` lines down. Columns end where their titles end.
static const char *cell(const char *text, const char *title, unsigned row)
{
    static char out[32];
    const char *head = line(text, 2), *found = strstr(head, title);
    const char *below = line(text, 2 + row);

    cr_assert(found != NULL && found < head + strcspn(head, "\n"), "no %s in %s", title, head);
    size_t last = (size_t)(found - head) + strlen(title), first = last;
    cr_assert_geq(strcspn(below, "\n"), last);
    while (first > 0 && below[first - 1] != ' ')
        first--;
    snprintf(out, sizeof(out), "%.*s", (int)(last - first), below + first);
    return out;
}

#define expect_cell(text, title, row, wanted)                                               \
    cr_expect_str_eq(cell(text, title, row), wanted, "%s of line %d is \"%s\", not \"%s\"", \
                     title, row, cell(text, title, row), wanted)

static void both(_Atomic int64_t *silo, _Atomic int64_t *total, int64_t n)
{
    *silo += n;
    *total += n;
}

#define COUNT(i, field, n) both(&after->silos[i].field, &after->total.field, n)

Test(status_table, rates_are_of_the_interval)
{
    before->silos[0].requests = before->total.requests = 1000;
    after->silos[0].requests = after->total.requests = 1000;
    COUNT(0, requests, 300);
    COUNT(1, requests, 5000);
    COUNT(0, active, 17);
    COUNT(1, bytes_sent, 250000000);
    char *text = table(STATUS_WIDTH_ALL);
    expect_cell(text, "silo", 1, "0");
    expect_cell(text, "silo", 2, "1");
    expect_cell(text, "silo", 3, "all");
    expect_cell(text, "node", 2, "1");
    expect_cell(text, "cpus", 1, "0-3");
    expect_cell(text, "state", 1, "up");
    expect_cell(text, "work", 1, "4");
    expect_cell(text, "work", 3, "8");
    expect_cell(text, "req/s", 1, "150.0");
    expect_cell(text, "req/s", 2, "2500");
    expect_cell(text, "req/s", 3, "2650");
    expect_cell(text, "conns", 1, "17");
    expect_cell(text, "conns", 3, "17");
    expect_cell(text, "Gbit/s", 2, "1.000");
    expect_cell(text, "Gbit/s", 3, "1.000");
    free(text);
}

Test(status_table, head_says_which_master_and_for_how_long)
{
    char *text = table(80);

    cr_expect(strstr(text, ", master 42, up 1d 03:04:05\n") != NULL, "%s", text);
    free(text);
}

Test(status_table, locality_is_shares_of_the_interval)
{
    COUNT(0, steered, 90);
    COUNT(0, handed_over, 8);
    COUNT(0, handoff_refused, 2);
    COUNT(0, bytes_local, 600);
    COUNT(0, bytes_remote, 100);
    COUNT(0, bytes_replica, 300);
    COUNT(0, bytes_placed, 1000);
    COUNT(0, cross_disk, 500);
    COUNT(0, cross_read, 100);
    COUNT(0, cross_write, 10);
    COUNT(0, cross_nic, 1);
    COUNT(1, steered, 100);
    char *text = table(STATUS_WIDTH_ALL);
    expect_cell(text, "right%", 1, "90.0");
    expect_cell(text, "right%", 2, "100.0");
    expect_cell(text, "right%", 3, "95.0");
    expect_cell(text, "over/s", 1, "4.0");
    expect_cell(text, "local%", 1, "60.0");
    expect_cell(text, "repl%", 1, "30.0");
    expect_cell(text, "cross/B", 1, "0.6110");
    expect_cell(text, "disk/B", 1, "0.5000");
    expect_cell(text, "read/B", 1, "0.1000");
    expect_cell(text, "write/B", 1, "0.0100");
    expect_cell(text, "nic/B", 1, "0.0010");
    expect_cell(text, "local%", 2, "-");
    expect_cell(text, "cross/B", 2, "-");
    expect_cell(text, "cross/B", 3, "0.6110");
    free(text);
}

Test(status_table, old_crossings_do_not_hide_new_ones)
{
    before->total.cross_nic = before->silos[0].cross_nic = 1000000;
    before->total.bytes_placed = before->silos[0].bytes_placed = 1000000;
    memcpy((void *)&after->total, &before->total, sizeof(after->total));
    memcpy((void *)&after->silos[0], &before->silos[0], sizeof(after->silos[0]));
    COUNT(0, bytes_placed, 100);
    char *text = table(STATUS_WIDTH_ALL);
    expect_cell(text, "cross/B", 1, "0.0000");
    free(text);
}

Test(status_table, bytes_that_are_metered_as_they_go_are_the_better_rate)
{
    COUNT(0, bytes_sent, 999999999); // a long response that happened to end
    COUNT(0, bytes_placed, 125000000);
    COUNT(0, bytes_unplaced, 125000000);
    char *text = table(STATUS_WIDTH_ALL);
    expect_cell(text, "Gbit/s", 1, "1.000");
    expect_cell(text, "Gbit/s", 2, "0.000");
    free(text);
}

Test(status_table, without_time_nothing_is_divided_by_it)
{
    after->taken_ns = before->taken_ns;
    COUNT(0, requests, 10);
    char *text = table(STATUS_WIDTH_ALL);
    expect_cell(text, "req/s", 1, "0.0");
    expect_cell(text, "Gbit/s", 1, "0.000");
    free(text);
}

Test(status_table, no_line_is_wider_than_it_may_be)
{
    after->nmembers = 1;
    strcpy(after->member[0].name, "a-very-long-name-of-an-interface-alias");
    COUNT(0, requests, INT64_MAX / 4);
    COUNT(0, active, INT64_MAX / 4);
    COUNT(0, bytes_sent, INT64_MAX / 4);
    COUNT(0, steered, 1);
    COUNT(0, handed_over, INT64_MAX / 4);
    for (unsigned width = 4; width < 200; width++) {
        char *text = table(width);

        for (const char *p = text; *p != '\0'; p = line(p, 1))
            cr_assert_leq(strcspn(p, "\n"), width, "%s", p);
        free(text);
    }
}

Test(status_table, eighty_columns_show_all_that_matters)
{
    static const char *const titles[] = {"silo", "node", "work", "conns", "req/s", "Gbit/s",
                                         "right%", "over/s", "local%", "repl%", "cross/B"};
    char *text = table(80);

    for (size_t i = 0; i < array_len(titles); i++)
        cr_expect(strstr(line(text, 2), titles[i]) != NULL, "no %s in %s", titles[i], text);
    cr_expect(strstr(text, "cpus") == NULL);
    free(text);
    text = table(20);
    cr_expect(strstr(text, "Gbit/s") != NULL, "%s", text);
    cr_expect(strstr(text, "right%") == NULL);
    free(text);
}

Test(status_table, a_silo_that_is_not_well_is_remarked_on)
{
    after->silo[1].state = STATS_SILO_PAUSING;
    after->silo[1].restarts = 3;
    char *text = table(80);
    cr_expect(strstr(text, "silo 1: pausing, started again 3 times\n") != NULL, "%s", text);
    cr_expect(strstr(text, "silo 0:") == NULL);
    free(text);
}

Test(status_table, silos_of_an_old_configuration_are_left_out_once_they_have_ended)
{
    after->silo[0].state = STATS_SILO_GONE;
    char *text = table(STATUS_WIDTH_ALL);
    expect_cell(text, "silo", 1, "0");
    free(text);
    after->silo[0].workers = 0;
    text = table(STATUS_WIDTH_ALL);
    expect_cell(text, "silo", 1, "1");
    expect_cell(text, "silo", 2, "all");
    free(text);
}

Test(status_table, a_silo_that_was_not_there_before_counts_from_nothing)
{
    before->nsilos = 1;
    memset((void *)&before->silos[1], 0x55, sizeof(before->silos[1]));
    COUNT(1, requests, 10);
    char *text = table(STATUS_WIDTH_ALL);
    expect_cell(text, "req/s", 2, "5.0");
    free(text);
}

Test(status_table, interfaces_and_arrivals_are_listed)
{
    after->nmembers = 2;
    strcpy(after->member[0].name, "eth0");
    strcpy(after->member[1].name, "e\033[2Jh1");
    after->member[1].node = -1;
    after->total.egress_member[0] = 750000000;
    after->total.egress_member[1] = 250000000;
    after->total.arrived[0] = 3;
    after->total.arrived[STATS_NODES - 1] = 1;
    char *text = table(80);
    cr_expect(strstr(text, "connections arrived: node 0 1.5/s, node 1 0.0/s, unknown 0.5/s\n") !=
              NULL, "%s", text);
    cr_expect(strstr(text, "eth0                0    3.000   75.0        750000000\n") != NULL,
              "%s", text);
    cr_expect(strstr(text, "e?[2Jh1             -    1.000   25.0        250000000\n") != NULL,
              "%s", text);
    cr_expect(strchr(text, '\033') == NULL, "a name must not steer the terminal");
    free(text);
}
