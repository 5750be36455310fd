// SPDX-License-Identifier: Apache-2.0
//
// Where the kernel's own threads of a ring run, by what /proc says of them. They are made to come
// by opening FIFOs that nobody writes to, which holds one thread each.
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/ring/ring_priv.h"

#define OPENS 6

static struct ring ring;
static char fifo[64];
static struct open_how how = {.flags = O_RDONLY | O_CLOEXEC};

struct waiting_open {
    struct op op;
    int fd;
};

static struct waiting_open opens[OPENS];

static void opened(struct op *op, int32_t res, uint32_t flags)
{
    (void)flags;
    container_of(op, struct waiting_open, op)->fd = res;
}

static void set_up(void)
{
    char why[RING_WHY_MAX];

    strcpy(fifo, "/tmp/millrace-place-XXXXXX");
    cr_assert_not_null(mkdtemp(fifo));
    strcat(fifo, "/fifo");
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    cr_assert_eq(ring_init(&ring, why, sizeof(why)), 0, "%s", why);
}

static void tear_down(void)
{
    ring_destroy(&ring);
    unlink(fifo);
    *strrchr(fifo, '/') = '\0';
    rmdir(fifo);
}

TestSuite(ring_place, .init = set_up, .fini = tear_down, .timeout = 60);

static void start_opens(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct io_uring_sqe *sqe = ring_sqe(&ring);

        cr_assert_not_null(sqe);
        op_init(&opens[i].op, opened);
        opens[i].op.in_flight = true;
        io_uring_prep_openat2(sqe, AT_FDCWD, fifo, &how);
        // Without it the open is tried in a way that does not wait.
        sqe->flags |= IOSQE_ASYNC;
        io_uring_sqe_set_data(sqe, &opens[i].op);
    }
    ring_submit(&ring);
}

static void end_opens(unsigned n)
{
    int writer = open(fifo, O_WRONLY | O_CLOEXEC);

    cr_assert_geq(writer, 0);
    for (unsigned i = 0; i < n; i++) {
        while (op_in_flight(&opens[i].op))
            cr_assert_eq(ring_turn(&ring, true), 0);
        cr_assert_geq(opens[i].fd, 0);
        close(opens[i].fd);
    }
    close(writer);
}

// Is the thread one of them? Its CPUs then.
static bool worker_cpus(const char *tid, cpu_set_t *cpus)
{
    char path[300], name[32] = "";
    FILE *f;

    snprintf(path, sizeof(path), "/proc/self/task/%s/comm", tid);
    f = fopen(path, "re");
    if (f == NULL)
        return false;
    bool worker = fgets(name, sizeof(name), f) != NULL && strncmp(name, "iou-wrk-", 8) == 0;
    fclose(f);
    return worker && sched_getaffinity(atoi(tid), sizeof(*cpus), cpus) == 0;
}

// How many such threads there are; all may run on the same CPUs, which are *cpus.
static unsigned count_workers(cpu_set_t *cpus)
{
    DIR *dir = opendir("/proc/self/task");
    unsigned n = 0;
    cpu_set_t one;

    cr_assert_not_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (!worker_cpus(e->d_name, &one))
            continue;
        cr_assert(n == 0 || CPU_EQUAL(&one, cpus), "they differ");
        *cpus = one;
        n++;
    }
    closedir(dir);
    return n;
}

// Once there are as many as were wanted, or no more came for a while.
static unsigned settled_workers(unsigned want, cpu_set_t *cpus)
{
    const struct timespec nap = {.tv_nsec = 20000000};
    unsigned n = 0;

    for (int i = 0; i < 50 && n < want; i++) {
        cr_assert_eq(ring_turn(&ring, false), 0);
        nanosleep(&nap, NULL);
        n = count_workers(cpus);
    }
    return n;
}

static int last_cpu(const cpu_set_t *set)
{
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
        if (CPU_ISSET(cpu, set))
            return cpu;
    }
    return -1;
}

static void allowed_cpus(cpu_set_t *set)
{
    cr_assert_eq(sched_getaffinity(0, sizeof(*set), set), 0);
    if (CPU_COUNT(set) < 2)
        cr_skip_test("needs two CPUs");
}

Test(ring_place, threads_of_the_kernel_run_where_they_were_placed)
{
    cpu_set_t allowed, one, found;

    allowed_cpus(&allowed);
    CPU_ZERO(&one);
    CPU_SET(last_cpu(&allowed), &one);
    cr_assert_eq(ring_place(&ring, &one, 0), 0);
    start_opens(OPENS);
    cr_assert_eq(settled_workers(OPENS, &found), OPENS);
    cr_assert(CPU_EQUAL(&found, &one));
    end_opens(OPENS);
}

Test(ring_place, without_it_they_run_on_any_cpu)
{
    cpu_set_t allowed, found;

    allowed_cpus(&allowed);
    start_opens(1);
    cr_assert_eq(settled_workers(1, &found), 1);
    cr_assert_gt(CPU_COUNT(&found), 1);
    end_opens(1);
}

Test(ring_place, there_are_no_more_of_them_than_allowed)
{
    cpu_set_t allowed, found;

    cr_assert_eq(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
    cr_assert_eq(ring_place(&ring, &allowed, 2), 0);
    start_opens(OPENS);
    cr_assert_eq(settled_workers(OPENS, &found), 2);
    cr_assert(CPU_EQUAL(&found, &allowed));
    end_opens(OPENS);
}
