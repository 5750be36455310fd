// SPDX-License-Identifier: Apache-2.0
#include "server/process/plan.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "server/config/config.h"
#include "lib/topo/topo.h"

static int first_cpu(void)
{
    cpu_set_t set;

    cr_assert_eq(sched_getaffinity(0, sizeof(set), &set), 0);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &set))
            return i;
    }
    return -1;
}

static unsigned workers_are_numbered(const struct plan *p)
{
    unsigned next = 0;

    for (unsigned i = 0; i < p->count; i++) {
        cr_assert_eq(p->silos[i].first, next);
        cr_assert_gt(p->silos[i].workers, 0);
        next += p->silos[i].workers;
    }
    return next;
}

Test(plan, the_number_of_workers_is_what_was_asked_for)
{
    struct main_conf conf = {.worker_processes = 7, .silos = SILOS_AUTO};
    struct plan p;

    cr_assert_eq(plan_make(&conf, &p), 0);
    cr_assert_eq(p.workers, 7);
    cr_assert_eq(workers_are_numbered(&p), 7);
    plan_free(&p);
}

Test(plan, auto_is_what_the_machine_allows)
{
    struct main_conf conf = {.worker_processes = 0, .silos = SILOS_NONE};
    struct plan p;
    struct topo t;

    cr_assert_eq(topo_load(&t), 0);
    cr_assert_eq(plan_make(&conf, &p), 0);
    cr_assert_eq(p.count, 1);
    cr_assert_eq(p.workers, topo_auto_workers(&t));
    topo_destroy(&t);
    plan_free(&p);
}

Test(plan, silos_written_out_are_taken_as_they_are)
{
    struct silo_line line = {.node = -1};
    struct main_conf conf = {.worker_processes = 3, .silo_lines = &line};
    struct plan p;

    CPU_SET(first_cpu(), &line.cpus);
    cr_assert_eq(plan_make(&conf, &p), 0);
    cr_assert(p.count == 1 && p.workers == 3);
    cr_assert(CPU_EQUAL(&p.silos[0].cpus, &line.cpus));
    plan_free(&p);
    conf.worker_processes = 0;
    cr_assert_eq(plan_make(&conf, &p), 0);
    cr_assert_eq(p.workers, 1, "auto: one for each CPU of the silos");
    plan_free(&p);
}

static char said[LOG_LINE_MAX];

static void keep(struct log_sink *sink, enum log_level level, const char *line, size_t n)
{
    (void)sink;
    (void)level;
    snprintf(said, sizeof(said), "%.*s", (int)n, line);
}

Test(plan, a_cpu_given_twice_is_refused_with_the_line_that_gives_it_again)
{
    struct conf_node nodes[] = {{.file = "a.conf", .line = 3}, {.file = "b.conf", .line = 7}};
    struct silo_line second = {.node = -1, .where = &nodes[1]};
    struct silo_line first = {.node = -1, .where = &nodes[0], .next = &second};
    struct main_conf conf = {.worker_processes = 2, .silo_lines = &first};
    static struct log_sink sink = {.level = LOG_LEVEL_EMERG, .emit = keep, .fd = -1};
    struct plan p;

    log_use(&sink);
    CPU_SET(first_cpu(), &first.cpus);
    CPU_SET(first_cpu(), &second.cpus);
    cr_assert_eq(plan_make(&conf, &p), -EINVAL);
    cr_assert(strstr(said, "is given twice in b.conf:7") != NULL, "%s", said);
    CPU_ZERO(&first.cpus);
    CPU_SET(CPU_SETSIZE - 1, &first.cpus);
    cr_assert_eq(plan_make(&conf, &p), -EINVAL);
    cr_assert(strstr(said, "is not there in a.conf:3") != NULL, "%s", said);
}
