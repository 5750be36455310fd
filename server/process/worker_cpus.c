// SPDX-License-Identifier: Apache-2.0
#include "server/process/worker_cpus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/topo/topo.h"
#include "server/config/config.h"
#include "server/process/plan.h"
#include "server/process/report.h"

int worker_cpus_parse(struct sv word, cpu_set_t *mask, char *why, size_t why_size)
{
    unsigned cpu = 0;

    CPU_ZERO(mask);
    if (word.n > CPU_SETSIZE) {
        snprintf(why, why_size, "\"worker_cpu_affinity\" supports up to %d CPUs only", CPU_SETSIZE);
        return -EINVAL;
    }
    for (size_t i = word.n; i-- > 0;) {
        char c = word.p[i];

        if (c == ' ')
            continue;
        if (c != '0' && c != '1') {
            snprintf(why, why_size, "invalid character \"%c\" in \"worker_cpu_affinity\"", c);
            return -EINVAL;
        }
        if (c == '1')
            CPU_SET(cpu, mask);
        cpu++;
    }
    return 0;
}

// The n-th CPU of the set alone, counting from the start again behind the last.
static cpu_set_t nth_cpu(const cpu_set_t *set, unsigned n)
{
    unsigned count = (unsigned)CPU_COUNT(set);
    cpu_set_t out;

    CPU_ZERO(&out);
    if (count == 0)
        return out;
    n %= count;
    for (int cpu = 0;; cpu++) {
        check(cpu < CPU_SETSIZE);
        if (CPU_ISSET(cpu, set) && n-- == 0) {
            CPU_SET(cpu, &out);
            return out;
        }
    }
}

// By the directive. `i` is the worker's index in its silo.
static cpu_set_t asked(const struct cpu_affinity *a, const struct plan_silo *silo, unsigned i)
{
    cpu_set_t mask = silo->cpus;
    unsigned worker = silo->first + i;

    // Of a mask, each silo takes what is its own, so that its workers begin with its first CPU.
    if (a->automatic) {
        if (a->nmasks > 0)
            CPU_AND(&mask, &mask, &a->masks[0]);
        return nth_cpu(&mask, i);
    }
    CPU_AND(&mask, &mask, &a->masks[min_of(worker, a->nmasks - 1)]);
    return mask;
}

static cpu_set_t usual(const struct plan *plan, const struct plan_silo *silo, unsigned i)
{
    cpu_set_t none;

    CPU_ZERO(&none);
    if (plan->count == 1 || silo->workers > (unsigned)CPU_COUNT(&silo->cpus))
        return none;
    return nth_cpu(&silo->cpus, i);
}

static void warn(const struct cpu_affinity *a, const struct plan *plan, unsigned without)
{
    if (!a->automatic && a->nmasks != 1 && a->nmasks != plan->workers)
        report(LOG_LEVEL_WARN, 0,
               "the number of \"worker_processes\" is not equal to the number of "
               "\"worker_cpu_affinity\" masks, using last mask for remaining worker processes");
    if (without > 0)
        report(LOG_LEVEL_WARN, 0,
               "\"worker_cpu_affinity\" leaves %u of %u workers no CPU of their silo's, they are "
               "not bound", without, plan->workers);
}

int worker_cpus_make(const struct cpu_affinity *affinity, const struct plan *plan,
                     struct worker_cpus *out)
{
    unsigned without = 0;

    *out = (struct worker_cpus){.of = calloc(max_of(plan->workers, 1u), sizeof(*out->of)),
                                .count = plan->workers};
    if (out->of == NULL)
        return -ENOMEM;
    for (const struct plan_silo *silo = plan->silos; silo < plan->silos + plan->count; silo++) {
        for (unsigned i = 0; i < silo->workers; i++) {
            cpu_set_t *of = &out->of[silo->first + i];

            *of = affinity != NULL ? asked(affinity, silo, i) : usual(plan, silo, i);
            without += CPU_COUNT(of) == 0;
        }
    }
    if (affinity != NULL)
        warn(affinity, plan, without);
    return 0;
}

void worker_cpus_free(struct worker_cpus *w)
{
    free(w->of);
    memset(w, 0, sizeof(*w));
}

int worker_cpus_only(const struct worker_cpus *w, unsigned worker)
{
    check(worker < w->count);
    if (CPU_COUNT(&w->of[worker]) != 1)
        return -1;
    for (int cpu = 0;; cpu++) {
        if (CPU_ISSET(cpu, &w->of[worker]))
            return cpu;
    }
}

void worker_cpus_bind(const struct worker_cpus *w, unsigned worker)
{
    int rc;

    check(worker < w->count);
    if (CPU_COUNT(&w->of[worker]) == 0)
        return;
    rc = topo_bind_cpus(&w->of[worker]);
    if (rc != 0)
        log_alert(-rc, "sched_setaffinity() failed");
}
