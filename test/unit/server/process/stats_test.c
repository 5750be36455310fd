// SPDX-License-Identifier: Apache-2.0
#include "server/process/stats.h"

#include <criterion/criterion.h>
#include <sys/wait.h>
#include <unistd.h>

Test(stats, sum_is_over_all_slots)
{
    struct stats sum;
    struct stats *a, *b;

    cr_assert_eq(stats_init(), 0);
    a = stats_claim();
    b = stats_claim();
    cr_assert(a != NULL && b != NULL && a != b);
    stats_add(&a->requests, 3);
    stats_add(&b->requests, 4);
    stats_add(&b->active, 1);
    stats_sum(&sum);
    cr_assert_eq(sum.requests, 7);
    cr_assert_eq(sum.active, 1);
}

Test(stats, counters_of_an_ended_worker_stay_and_its_gauges_go)
{
    struct stats sum;
    struct stats *a, *again;

    cr_assert_eq(stats_init(), 0);
    a = stats_claim();
    stats_add(&a->accepted, 5);
    stats_add(&a->waiting, 2);
    stats_release(a);
    stats_sum(&sum);
    cr_assert_eq(sum.accepted, 5);
    cr_assert_eq(sum.waiting, 0);
    again = stats_claim();
    cr_assert_eq(again, a, "the slot is free again");
    cr_assert_eq(again->accepted, 0);
    stats_add(&again->accepted, 1);
    stats_sum(&sum);
    cr_assert_eq(sum.accepted, 6);
}

Test(stats, what_a_child_counts_is_seen_here)
{
    struct stats sum;
    struct stats *a;
    pid_t pid;

    cr_assert_eq(stats_init(), 0);
    a = stats_claim();
    pid = fork();
    if (pid == 0) {
        stats_add(&a->bytes_sent, 1000);
        _exit(0);
    }
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    stats_sum(&sum);
    cr_assert_eq(sum.bytes_sent, 1000);
}

Test(stats, without_a_free_slot_the_shared_one_counts_too)
{
    struct stats sum;

    cr_assert_eq(stats_init(), 0);
    for (int i = 0; i < STATS_WORKERS; i++)
        cr_assert_not_null(stats_claim());
    cr_assert_null(stats_claim());
    stats_add(&stats_shared()->requests, 2);
    stats_release(stats_shared());
    stats_sum(&sum);
    cr_assert_eq(sum.requests, 2);
}
