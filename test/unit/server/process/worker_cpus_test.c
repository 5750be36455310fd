// SPDX-License-Identifier: Apache-2.0
#include "server/process/worker_cpus.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "lib/topo/topo.h"
#include "server/config/config.h"
#include "server/process/plan.h"
#include "server/process/report.h"

static cpu_set_t cpus(const char *list)
{
    cpu_set_t set;
    char why[100];

    if (*list == '\0')
        CPU_ZERO(&set);
    else
        cr_assert_eq(topo_parse_cpus(sv_from(list), &set, why, sizeof(why)), 0, "%s", why);
    return set;
}

static cpu_set_t mask(const char *word)
{
    cpu_set_t set;
    char why[100];

    cr_assert_eq(worker_cpus_parse(sv_from(word), &set, why, sizeof(why)), 0, "%s", why);
    return set;
}

static void expect_mask(const char *word, const char *list)
{
    cpu_set_t is = mask(word), want = cpus(list);

    cr_assert(CPU_EQUAL(&is, &want), "\"%s\" is not %s", word, list);
}

Test(worker_cpus, a_mask_has_the_first_cpu_at_its_end)
{
    char long_mask[CPU_SETSIZE + 1];
    cpu_set_t set;

    expect_mask("1", "0");
    expect_mask("0001", "0");
    expect_mask("1000", "3");
    expect_mask("10110", "1-2,4");
    expect_mask("0000", "");
    expect_mask("1 0000 0001", "0,8");
    memset(long_mask, '0', CPU_SETSIZE);
    long_mask[0] = '1';
    long_mask[CPU_SETSIZE] = '\0';
    set = mask(long_mask);
    cr_assert(CPU_COUNT(&set) == 1 && CPU_ISSET(CPU_SETSIZE - 1, &set));
}

Test(worker_cpus, what_is_no_mask_is_refused_in_nginxs_words)
{
    char why[128], long_mask[CPU_SETSIZE + 2];
    cpu_set_t set;

    cr_assert_eq(worker_cpus_parse(SV("0121"), &set, why, sizeof(why)), -EINVAL);
    cr_assert_str_eq(why, "invalid character \"2\" in \"worker_cpu_affinity\"");
    cr_assert_eq(worker_cpus_parse(SV("0-3"), &set, why, sizeof(why)), -EINVAL);
    memset(long_mask, '0', sizeof(long_mask));
    cr_assert_eq(worker_cpus_parse(sv_of(long_mask, CPU_SETSIZE + 1), &set, why, sizeof(why)),
                 -EINVAL);
    cr_assert_str_eq(why, "\"worker_cpu_affinity\" supports up to 1024 CPUs only");
}

// Lines of the log, so that a test sees what was warned of.
static char said[4096];

static void keep_line(struct log_sink *sink, enum log_level level, const char *line, size_t n)
{
    (void)sink;
    (void)level;
    strncat(said, line, min_of(n, sizeof(said) - strlen(said) - 1));
}

static struct log_sink sink = {.level = LOG_LEVEL_INFO, .emit = keep_line};

static struct plan_silo silos[4];
static struct plan plan;
static struct worker_cpus made;

static void set_up(void)
{
    log_use(&sink);
    plan = (struct plan){.silos = silos};
}

static void tear_down(void)
{
    worker_cpus_free(&made);
}

TestSuite(worker_cpus_make, .init = set_up, .fini = tear_down);

static void add_silo(const char *list, unsigned workers)
{
    silos[plan.count] = (struct plan_silo){.cpus = cpus(list), .node = (int)plan.count,
                                           .first = plan.workers, .workers = workers};
    plan.count++;
    plan.workers += workers;
}

// `want`: a list for each worker, separated by spaces; "-" is not bound.
static void expect(const struct cpu_affinity *affinity, const char *want)
{
    char text[256], *rest = text;

    strcpy(text, want);
    said[0] = '\0';
    worker_cpus_free(&made);
    cr_assert_eq(worker_cpus_make(affinity, &plan, &made), 0);
    for (unsigned w = 0; w < plan.workers; w++) {
        const char *list = strsep(&rest, " ");
        cpu_set_t set = cpus(*list == '-' ? "" : list);

        cr_assert(CPU_EQUAL(&made.of[w], &set), "worker %u is not on %s", w, list);
    }
    cr_assert_null(rest, "there are more workers");
}

static bool warned(const char *words)
{
    return strstr(said, "[warn]") != NULL && strstr(said, words) != NULL;
}

Test(worker_cpus_make, one_silo_is_left_unbound_as_in_nginx)
{
    add_silo("0-3", 4);
    expect(NULL, "- - - -");
    cr_assert_str_empty(said);
    cr_assert_eq(worker_cpus_only(&made, 0), -1);
}

Test(worker_cpus_make, workers_of_several_silos_have_a_cpu_each)
{
    add_silo("0,2,4", 3);
    add_silo("1,3,5", 2);
    expect(NULL, "0 2 4 1 3");
    cr_assert_eq(worker_cpus_only(&made, 2), 4);
    cr_assert_str_empty(said);
}

Test(worker_cpus_make, a_silo_with_fewer_cpus_than_workers_is_left_unbound)
{
    add_silo("0-1", 3);
    add_silo("2-3", 2);
    expect(NULL, "- - - 2 3");
}

Test(worker_cpus_make, masks_are_of_the_workers_in_order)
{
    const cpu_set_t masks[] = {mask("0001"), mask("0110"), mask("1000")};
    const struct cpu_affinity a = {.masks = masks, .nmasks = 3};

    add_silo("0-3", 3);
    expect(&a, "0 1-2 3");
    cr_assert_str_empty(said);
    cr_assert_eq(worker_cpus_only(&made, 1), -1, "it has two");
}

Test(worker_cpus_make, the_last_mask_is_for_all_that_follow)
{
    const cpu_set_t masks[] = {mask("0001"), mask("1010")};
    struct cpu_affinity a = {.masks = masks, .nmasks = 2};

    add_silo("0-3", 4);
    expect(&a, "0 1,3 1,3 1,3");
    cr_assert(warned("the number of \"worker_processes\" is not equal to the number of "
                     "\"worker_cpu_affinity\" masks, using last mask for remaining worker "
                     "processes"), "%s", said);
    a.nmasks = 1;
    expect(&a, "0 0 0 0");
    cr_assert_str_empty(said, "one mask is for all, without a word");
    a.nmasks = 2;
    plan.workers = silos[0].workers = 1;
    expect(&a, "0");
    cr_assert(warned("masks, using last mask"), "more masks than workers: %s", said);
}

Test(worker_cpus_make, auto_gives_each_worker_one_cpu_and_begins_again)
{
    const struct cpu_affinity a = {.automatic = true};

    add_silo("0-2", 5);
    expect(&a, "0 1 2 0 1");
    cr_assert_str_empty(said);
}

Test(worker_cpus_make, auto_takes_cpus_of_its_mask)
{
    const cpu_set_t masks[] = {mask("01010101")};
    const struct cpu_affinity a = {.automatic = true, .masks = masks, .nmasks = 1};

    add_silo("0-7", 5);
    expect(&a, "0 2 4 6 0");
    cr_assert_str_empty(said);
}

Test(worker_cpus_make, auto_stays_within_each_silo)
{
    const struct cpu_affinity a = {.automatic = true};

    add_silo("0,2,4,6", 4);
    add_silo("1,3,5,7", 2);
    expect(&a, "0 2 4 6 1 3");
}

Test(worker_cpus_make, a_worker_never_leaves_its_silo)
{
    const cpu_set_t masks[] = {mask("0011"), mask("0011"), mask("1100"), mask("0110")};
    const struct cpu_affinity a = {.masks = masks, .nmasks = 4};

    add_silo("0-1", 2);
    add_silo("2-3", 2);
    expect(&a, "0-1 0-1 2-3 2");
    cr_assert_str_empty(said);
}

Test(worker_cpus_make, a_worker_without_a_cpu_is_left_unbound_with_a_warning)
{
    const cpu_set_t masks[] = {mask("0010"), mask("1000"), mask("1000000000")};
    const struct cpu_affinity a = {.masks = masks, .nmasks = 3};
    const struct cpu_affinity automatic = {.automatic = true, .masks = &masks[2], .nmasks = 1};

    add_silo("0-1", 2);
    add_silo("2-3", 1);
    expect(&a, "1 - -");
    cr_assert(warned("leaves 2 of 3 workers no CPU"), "%s", said);
    expect(&automatic, "- - -");
    cr_assert(warned("leaves 3 of 3 workers no CPU"), "%s", said);
}

Test(worker_cpus_make, a_worker_is_bound_where_it_should_be)
{
    cpu_set_t allowed, now;
    int cpu;

    cr_assert_eq(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
    // The second worker's CPU is not there; what the kernel says to that is logged.
    silos[plan.count++] = (struct plan_silo){.cpus = allowed, .workers = 1};
    silos[plan.count++] = (struct plan_silo){.cpus = cpus("1023"), .first = 1, .workers = 1};
    plan.workers = 2;
    cr_assert_eq(worker_cpus_make(NULL, &plan, &made), 0);
    cpu = worker_cpus_only(&made, 0);
    cr_assert(cpu >= 0 && CPU_ISSET(cpu, &allowed));
    worker_cpus_bind(&made, 0);
    cr_assert_eq(sched_getaffinity(0, sizeof(now), &now), 0);
    cr_assert(CPU_COUNT(&now) == 1 && CPU_ISSET(cpu, &now));
    cr_assert_str_empty(said);
    if (!CPU_ISSET(1023, &allowed)) {
        worker_cpus_bind(&made, 1);
        cr_assert_not_null(strstr(said, "[alert]"));
    }
    CPU_ZERO(&made.of[0]);
    cr_assert_eq(sched_setaffinity(0, sizeof(allowed), &allowed), 0);
    worker_cpus_bind(&made, 0);
    cr_assert_eq(sched_getaffinity(0, sizeof(now), &now), 0);
    cr_assert(CPU_EQUAL(&now, &allowed), "one that is not bound keeps what it had");
}
