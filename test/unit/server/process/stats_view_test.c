// SPDX-License-Identifier: Apache-2.0
//
// Copies of the counters: of one's own area, and of another process's through /proc.
#include "server/process/stats_view.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/process/stats_priv.h"

static struct stats_snapshot *taken(void)
{
    struct stats_snapshot *s = stats_snapshot_new();

    cr_assert_not_null(s);
    stats_snapshot_take(NULL, s);
    return s;
}

Test(stats_view, every_counter_has_one_row_that_finds_it)
{
    struct stats s;

    memset((void *)&s, 0, sizeof(s));
    s.accepted = 1;
    s.waiting = 2;
    s.cross_nic = 3;
    s.egress_member[4] = 5;
    cr_assert_str_eq(stats_rows[0].name, "accepted");
    cr_assert_eq(stats_value(&s, &stats_rows[0]), 1);
    cr_assert(!stats_rows[0].gauge);
    cr_assert_str_eq(stats_rows[stats_nrows - 1].name, "waiting");
    cr_assert_eq(stats_value(&s, &stats_rows[stats_nrows - 1]), 2);
    cr_assert(stats_rows[stats_nrows - 1].gauge);
    cr_assert_str_eq(stats_arrays[stats_narrays - 1].name, "egress_member");
    cr_assert_eq(stats_arrays[stats_narrays - 1].by, STATS_BY_MEMBER);
    cr_assert_eq(stats_value_at(&s, &stats_arrays[stats_narrays - 1], 4), 5);
    for (size_t i = 0; i < stats_nrows; i++) {
        for (size_t j = 0; j < i; j++)
            cr_assert_neq(stats_rows[i].offset, stats_rows[j].offset);
    }
}

Test(stats_view, a_snapshot_has_silos_members_and_a_total_that_agrees)
{
    cr_assert_eq(stats_init(), 0);
    struct stats *a = stats_claim(), *b = stats_claim(), *c = stats_claim();

    stats_describe_silo(0, 0, "0-3");
    stats_describe_silo(1, 1, "4-7");
    stats_describe_member(0, "eth0", 0);
    stats_describe_member(1, "eth1", 3);
    stats_silo_state(1, STATS_SILO_PAUSING, 77, 2);
    stats_place(a, 0);
    stats_place(b, 1);
    stats_add(&a->requests, 1);
    stats_add(&b->requests, 2);
    stats_add(&c->requests, 4);
    struct stats_snapshot *s = taken();
    cr_assert_eq(s->nsilos, 2);
    cr_assert_eq(s->nmembers, 2);
    cr_assert_eq(s->nnodes, 4, "an interface is on node 3");
    cr_assert_eq(s->master, getpid());
    cr_assert_gt(s->started, 1700000000);
    cr_assert_geq(s->taken, s->started);
    cr_assert_str_eq(s->silo[1].cpus, "4-7");
    cr_assert_eq(s->silo[1].node, 1);
    cr_assert_eq(s->silo[1].state, STATS_SILO_PAUSING);
    cr_assert_eq(s->silo[1].pid, 77);
    cr_assert_eq(s->silo[1].restarts, 2);
    cr_assert_eq(s->silo[1].workers, 1);
    cr_assert_eq(s->silo[0].state, STATS_SILO_STARTING, "nothing was said");
    cr_assert_str_eq(s->member[1].name, "eth1");
    cr_assert_eq(s->member[1].node, 3);
    cr_assert_eq(s->silos[0].requests, 1);
    cr_assert_eq(s->silos[1].requests, 2);
    cr_assert_eq(s->unplaced.requests, 4);
    cr_assert_eq(s->total.requests, 7);
    stats_snapshot_free(s);
}

Test(stats_view, a_silo_of_which_only_a_worker_is_known_has_no_node)
{
    cr_assert_eq(stats_init(), 0);
    stats_place(stats_claim(), 0);
    struct stats_snapshot *s = taken();

    cr_assert_eq(s->nsilos, 1);
    cr_assert_eq(s->silo[0].node, -1);
    cr_assert_str_eq(s->silo[0].cpus, "");
    cr_assert_eq(s->nnodes, 0);
    stats_snapshot_free(s);
}

Test(stats_view, nodes_that_only_counters_know_are_listed)
{
    cr_assert_eq(stats_init(), 0);
    struct stats *a = stats_claim();

    stats_add(&a->arrived[stats_node(2)], 1);
    stats_add(&a->arrived[stats_node(-1)], 1);
    struct stats_snapshot *s = taken();
    cr_assert_eq(s->nnodes, 3);
    stats_snapshot_free(s);
}

Test(stats_view, members_have_names_and_no_two_the_same)
{
    cr_assert_eq(stats_init(), 0);
    struct stats *a = stats_claim();

    stats_describe_member(0, "eth0", 0);
    stats_describe_member(1, "eth0", 1);
    stats_add(&a->egress_member[3], 1);
    struct stats_snapshot *s = taken();
    cr_assert_eq(s->nmembers, 4, "the last has bytes");
    cr_assert_str_eq(s->member[0].name, "eth0");
    cr_assert_str_eq(s->member[1].name, "#1");
    cr_assert_str_eq(s->member[2].name, "#2");
    cr_assert_str_eq(s->member[3].name, "#3");
    cr_assert_eq(s->member[3].node, -1);
    stats_snapshot_free(s);
}

Test(stats_view, a_long_text_is_cut_and_says_so)
{
    char cpus[2 * STATS_TEXT];

    cr_assert_eq(stats_init(), 0);
    memset(cpus, '1', sizeof(cpus) - 1);
    cpus[sizeof(cpus) - 1] = '\0';
    stats_describe_silo(0, 0, cpus);
    cpus[STATS_TEXT - 1] = '\0';
    stats_describe_silo(1, 0, cpus);
    struct stats_snapshot *s = taken();
    cr_assert_eq(strlen(s->silo[0].cpus), STATS_TEXT - 1);
    cr_assert_str_eq(s->silo[0].cpus + STATS_TEXT - 5, "1...");
    cr_assert_str_eq(s->silo[1].cpus, cpus, "one that just fits is whole");
    stats_snapshot_free(s);
}

// What is described changes as a whole. The master pauses between changes, as a reader that never
// finds a moment without one gives up.

static atomic_bool over;

static void *describe(void *arg)
{
    (void)arg;
    while (!over) {
        stats_describe_silo(0, 1, "1111111111111111111111111111");
        usleep(1);
        stats_describe_silo(0, 2, "2222222222222222222222222222");
        usleep(1);
    }
    return NULL;
}

Test(stats_view, a_reader_sees_one_description_or_the_other)
{
    struct stats_snapshot *s = stats_snapshot_new();
    pthread_t master;
    unsigned seen[3] = {0, 0, 0};

    cr_assert_eq(stats_init(), 0);
    stats_describe_silo(0, 1, "1111111111111111111111111111");
    cr_assert_eq(pthread_create(&master, NULL, describe, NULL), 0);
    for (int i = 0; i < 5000; i++) {
        stats_snapshot_take(NULL, s);
        cr_assert(s->silo[0].node == 1 || s->silo[0].node == 2);
        char wanted = (char)('0' + s->silo[0].node);
        for (const char *p = s->silo[0].cpus; *p != '\0'; p++)
            cr_assert_eq(*p, wanted, "node %d with \"%s\"", s->silo[0].node, s->silo[0].cpus);
        seen[s->silo[0].node]++;
    }
    over = true;
    pthread_join(master, NULL);
    cr_assert_eq(seen[1] + seen[2], 5000);
    stats_snapshot_free(s);
}

// A child that does `run`, then waits to be killed; returns when it has done it.
static pid_t child(void (*run)(void))
{
    int ends[2];
    char byte;
    pid_t pid;

    cr_assert_eq(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        run();
        if (write(ends[1], "x", 1) == 1)
            pause();
        _exit(0);
    }
    cr_assert_eq(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    close(ends[1]);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

static void be_master(void)
{
    cr_assert_eq(stats_init(), 0);
    stats_describe_silo(0, 0, "0-1");
    struct stats *a = stats_claim();
    stats_place(a, 0);
    stats_add(&a->requests, 123);
}

Test(stats_view, another_process_is_read_through_proc)
{
    struct stats_snapshot *s = stats_snapshot_new();
    const struct stats_area *area;
    pid_t pid = child(be_master);

    cr_assert_eq(stats_attach(pid, &area), 0);
    stats_snapshot_take(area, s);
    cr_assert_eq(s->master, pid);
    cr_assert_eq(s->silos[0].requests, 123);
    end(pid);
    stats_snapshot_take(area, s);
    cr_assert_eq(s->silos[0].requests, 123, "the mapping outlives the process");
    stats_detach(area);
    stats_snapshot_free(s);
}

static void be_silo(void)
{
    be_master();
    stats_leave();
}

static void be_something_else(void)
{
}

static void fake(const void *content, size_t n, bool sealed)
{
    int fd = memfd_create(STATS_MAGIC, MFD_ALLOW_SEALING);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, content, n), (ssize_t)n);
    if (sealed)
        cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
}

static void be_older_version(void)
{
    static struct stats_area a = {.magic = STATS_MAGIC, .version = STATS_VERSION,
                                  .size = sizeof(a)};

    a.rows = stats_rows_hash() + 1;
    fake(&a, sizeof(a), true);
}

static void be_unsealed(void)
{
    static struct stats_area a = {.magic = STATS_MAGIC, .version = STATS_VERSION,
                                  .size = sizeof(a)};

    a.rows = stats_rows_hash();
    fake(&a, sizeof(a), false);
}

static void be_short(void)
{
    fake("millrace-stats", 15, true);
}

Test(stats_view, what_is_no_area_of_ours_is_told_from_it)
{
    static const struct {
        void (*run)(void);
        int rc;
        const char *what;
    } rows[] = {
        {be_silo, -ENOENT, "a process that left its descriptor"},
        {be_something_else, -ENOENT, "a process without counters"},
        {be_older_version, -EPROTO, "other rows of the same size"},
        {be_unsealed, -EPROTO, "a file that could shrink"},
        {be_short, -EPROTO, "a file that is too short"},
    };

    for (size_t i = 0; i < array_len(rows); i++) {
        const struct stats_area *area;
        pid_t pid = child(rows[i].run);
        int rc = stats_attach(pid, &area);

        end(pid);
        cr_expect_eq(rc, rows[i].rc, "%s gave %d", rows[i].what, rc);
    }
}

Test(stats_view, a_process_that_is_gone_is_said_to_be)
{
    const struct stats_area *area;
    pid_t pid = child(be_master);

    end(pid);
    cr_assert_eq(stats_attach(pid, &area), -ESRCH);
}
