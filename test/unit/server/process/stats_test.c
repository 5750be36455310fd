// SPDX-License-Identifier: Apache-2.0
#include "server/process/stats.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/process/stats_priv.h"

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
    stats_add(&a->arrived[2], 5);
    stats_add(&b->arrived[2], 6);
    stats_add(&b->egress_member[STATS_MEMBERS - 1], 7);
    stats_sum(&sum);
    cr_assert_eq(sum.requests, 7);
    cr_assert_eq(sum.active, 1);
    cr_assert_eq(sum.arrived[2], 11);
    cr_assert_eq(sum.egress_member[STATS_MEMBERS - 1], 7);
}

Test(stats, counters_of_an_ended_worker_stay_and_its_gauges_go)
{
    struct stats sum;
    struct stats *a, *again;

    cr_assert_eq(stats_init(), 0);
    a = stats_claim();
    stats_add(&a->accepted, 5);
    stats_add(&a->waiting, 2);
    stats_add(&a->replica_bytes, 4096);
    stats_add(&a->egress_node[STATS_NODES - 1], 9);
    stats_release(a);
    stats_sum(&sum);
    cr_assert_eq(sum.accepted, 5);
    cr_assert_eq(sum.waiting, 0);
    cr_assert_eq(sum.replica_bytes, 0);
    cr_assert_eq(sum.egress_node[STATS_NODES - 1], 9);
    again = stats_claim();
    cr_assert_eq(again, a, "the slot is free again");
    cr_assert_eq(again->accepted, 0);
    cr_assert_eq(again->egress_node[STATS_NODES - 1], 0);
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
        stats_leave();
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
    stats_place(stats_shared(), 0);
    stats_release(stats_shared());
    stats_sum(&sum);
    cr_assert_eq(sum.requests, 2);
}

Test(stats, no_two_workers_write_to_one_pair_of_lines)
{
    struct stats *a, *b;

    cr_assert_eq(stats_init(), 0);
    a = stats_claim();
    b = stats_claim();
    cr_assert_eq((uintptr_t)a % STATS_LINE, 0);
    cr_assert_eq((uintptr_t)b % STATS_LINE, 0);
    cr_assert_geq((uintptr_t)b - (uintptr_t)a, sizeof(struct stats));
}

static int64_t requests_of(unsigned silo)
{
    struct stats s;

    stats_silo(silo, &s);
    return s.requests;
}

Test(stats, a_slot_counts_for_its_silo_also_when_its_worker_has_ended)
{
    struct stats *a, *b, *c;
    struct stats sum;

    cr_assert_eq(stats_init(), 0);
    cr_assert_eq(stats_silos(), 0);
    a = stats_claim();
    b = stats_claim();
    c = stats_claim();
    stats_place(a, 0);
    stats_place(b, 5);
    cr_assert_eq(stats_silos(), 6);
    stats_add(&a->requests, 1);
    stats_add(&b->requests, 10);
    stats_add(&c->requests, 100);
    cr_assert_eq(requests_of(0), 1);
    cr_assert_eq(requests_of(5), 10);
    cr_assert_eq(requests_of(1), 0);
    stats_release(b);
    cr_assert_eq(requests_of(5), 10);
    b = stats_claim();
    stats_place(b, 0);
    stats_add(&b->requests, 1000);
    cr_assert_eq(requests_of(0), 1001);
    cr_assert_eq(requests_of(5), 10);
    stats_release(c);
    stats_sum(&sum);
    cr_assert_eq(sum.requests, 1111, "that of no silo, too");
}

Test(stats, silos_beyond_the_table_are_in_the_total_alone)
{
    struct stats *a;
    struct stats sum;

    cr_assert_eq(stats_init(), 0);
    a = stats_claim();
    stats_place(a, STATS_SILOS);
    stats_add(&a->requests, 3);
    cr_assert_eq(stats_silos(), 0);
    stats_release(a);
    stats_sum(&sum);
    cr_assert_eq(sum.requests, 3);
    cr_assert_eq(requests_of(STATS_SILOS), 0);
    stats_describe_silo(STATS_SILOS, 0, "0");
    stats_describe_member(STATS_MEMBERS, "eth0", 0);
    stats_silo_state(STATS_SILOS, STATS_SILO_UP, 1, 0);
    cr_assert_eq(stats_silos(), 0);
}

Test(stats, a_node_is_an_index_whatever_it_is)
{
    cr_assert_eq(stats_node(0), 0);
    cr_assert_eq(stats_node(STATS_NODES - 2), STATS_NODES - 2);
    cr_assert_eq(stats_node(STATS_NODES - 1), STATS_NODES - 1);
    cr_assert_eq(stats_node(-1), STATS_NODES - 1);
    cr_assert_eq(stats_node(INT32_MIN), STATS_NODES - 1);
}

// A reader beside a master that moves slots: no count may be missing or be there twice. The master
// pauses, as a reader that never finds a moment without a change gives up.

static atomic_bool over;

static void *move_slots(void *arg)
{
    (void)arg;
    for (unsigned i = 0; !over; i++) {
        struct stats *s = stats_claim();

        stats_place(s, i % 3);
        stats_add(&s->requests, 1);
        usleep(1); // it is seen here first, and must not be missing on its way
        stats_release(s);
    }
    return NULL;
}

Test(stats, a_sum_never_falls_while_slots_are_folded)
{
    struct stats sum;
    int64_t last = 0;
    pthread_t master;

    cr_assert_eq(stats_init(), 0);
    // Many that stay: the slot that is folded is read long after what it is folded into.
    for (int i = 0; i < 300; i++)
        stats_add(&stats_claim()->requests, 1000);
    cr_assert_eq(pthread_create(&master, NULL, move_slots, NULL), 0);
    for (int i = 0; i < 2000; i++) {
        stats_sum(&sum);
        cr_assert_geq(sum.requests, last, "%lld after %lld", (long long)sum.requests,
                      (long long)last);
        cr_assert_geq(sum.requests, 300000);
        last = sum.requests;
    }
    over = true;
    pthread_join(master, NULL);
}

Test(stats, a_reader_survives_a_master_that_died_in_the_middle_of_a_change, .timeout = 60)
{
    struct stats sum;

    cr_assert_eq(stats_init(), 0);
    stats_add(&stats_claim()->requests, 2);
    stats_change_begin(stats_area());
    stats_sum(&sum);
    cr_assert_eq(sum.requests, 2);
}
