// SPDX-License-Identifier: Apache-2.0
//
// The classic program by itself, run here instruction by instruction over machines that are not
// there.
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "lib/net/steering_priv.h"

#define SOCKETS 4u
#define ANYWHERE {STEERING_ANYWHERE, 0}
#define PLAN(slots) {.by_cpu = (slots), .ncpus = array_len(slots)}

// What the program is told, and the instructions that it has.
struct packet {
    uint32_t cpu, hash, chance;
};

static uint32_t load(const struct packet *p, uint32_t k)
{
    switch (k - (uint32_t)SKF_AD_OFF) {
    case SKF_AD_CPU:
        return p->cpu;
    case SKF_AD_RXHASH:
        return p->hash;
    case SKF_AD_RANDOM:
        return p->chance;
    }
    cr_assert_fail("loads from %x", k);
    return 0;
}

static uint32_t run(const struct sock_filter *code, unsigned n, const struct packet *p)
{
    uint32_t a = 0;

    for (unsigned at = 0;; at++) {
        cr_assert_lt(at, n, "runs out of the program");
        const struct sock_filter *i = &code[at];

        if (i->code == (BPF_RET | BPF_K))
            return i->k;
        else if (i->code == (BPF_RET | BPF_A))
            return a;
        else if (i->code == (BPF_LD | BPF_W | BPF_ABS))
            a = load(p, i->k);
        else if (i->code == (BPF_ALU | BPF_ADD | BPF_K))
            a += i->k;
        else if (i->code == (BPF_ALU | BPF_MUL | BPF_K))
            a *= i->k;
        else if (i->code == (BPF_ALU | BPF_RSH | BPF_K))
            a >>= i->k;
        else if (i->code == (BPF_JMP | BPF_JA))
            at += i->k;
        else if (i->code == (BPF_JMP | BPF_JGE | BPF_K))
            at += a >= i->k ? i->jt : i->jf;
        else if (i->code == (BPF_JMP | BPF_JEQ | BPF_K))
            at += a == i->k ? i->jt : i->jf;
        else
            cr_assert_fail("instruction %x", i->code);
    }
}

static void expect_answer(uint32_t answer, struct steering_slot slot, unsigned cpu)
{
    if (slot.first == STEERING_ANYWHERE)
        cr_assert_eq(answer, UINT32_MAX, "CPU %u: %u", cpu, answer);
    else
        cr_assert(answer >= slot.first && answer < (unsigned)slot.first + slot.count,
                  "CPU %u: %u", cpu, answer);
}

// Every CPU of the plan, and those beyond, get what the plan says. How long the program is.
static unsigned prove(const struct steering_plan *plan)
{
    static const uint32_t hashes[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff};
    static struct sock_filter code[BPF_MAXINSNS];
    static const struct steering_slot none = ANYWHERE;
    unsigned n;

    cr_assert_eq(steering_classic_build(plan, code, &n), 0);
    for (unsigned cpu = 0; cpu < plan->ncpus + 3; cpu++) {
        for (size_t h = 0; h < array_len(hashes); h++) {
            const struct packet p = {cpu, hashes[h], ~hashes[h]};

            expect_answer(run(code, n, &p), cpu < plan->ncpus ? plan->by_cpu[cpu] : none, cpu);
        }
    }
    return n;
}

TestSuite(steering_classic, .timeout = 60);

Test(steering_classic, a_worker_on_each_cpu_takes_few_instructions)
{
    struct steering_slot slots[1024];
    const struct steering_plan plan = PLAN(slots);

    for (uint16_t cpu = 0; cpu < array_len(slots); cpu++)
        slots[cpu] = (struct steering_slot){cpu, 1};
    cr_assert_leq(prove(&plan), 5);
    // Two nodes whose second threads have the numbers behind those of the first.
    for (uint16_t cpu = 0; cpu < array_len(slots); cpu++)
        slots[cpu].first = (uint16_t)(cpu % 256 + (cpu / 512) * 256 + (cpu / 256 % 2) * 512);
    cr_assert_leq(prove(&plan), 14);
}

Test(steering_classic, silos_that_share_no_run_share_their_code)
{
    struct steering_slot slots[512];
    const struct steering_plan plan = PLAN(slots);

    for (unsigned cpu = 0; cpu < array_len(slots); cpu++)
        slots[cpu] = (struct steering_slot){(uint16_t)(cpu % 2 * 256), 256};
    cr_assert_leq(prove(&plan), 2 * 513 + 20 + 2 * 8);
}

Test(steering_classic, any_plan_is_what_the_program_says)
{
    struct steering_slot slots[700];
    struct steering_plan plan = {.by_cpu = slots};

    srand(4);
    for (int round = 0; round < 300; round++) {
        plan.ncpus = (unsigned)rand() % (round < 250 ? 24 : 700);
        for (unsigned cpu = 0; cpu < plan.ncpus; cpu++) {
            uint16_t first = (uint16_t)(rand() % 3 == 0 ? rand() % 5 : (int)cpu);

            slots[cpu] = (struct steering_slot){first, (uint16_t)(rand() % 5 == 0 ? 2 : 1)};
            if (rand() % 6 == 0)
                slots[cpu].first = STEERING_ANYWHERE;
            else if (cpu > 0 && rand() % 3 == 0)
                slots[cpu] = slots[cpu - 1];
        }
        prove(&plan);
    }
}

Test(steering_classic, the_largest_slot_is_reached_to_its_ends_and_no_further)
{
    static const struct steering_slot slots[] = {{10, 50000}};
    const struct steering_plan plan = PLAN(slots);
    static struct sock_filter code[BPF_MAXINSNS];
    unsigned n;

    prove(&plan);
    cr_assert_eq(steering_classic_build(&plan, code, &n), 0);
    cr_assert_eq(run(code, n, &(struct packet){0, 1, 0}), 10);
    cr_assert_eq(run(code, n, &(struct packet){0, UINT32_MAX, 0}), 50009);
}

// A card with four queues sends those to this CPU whose hash ends in the same two bits.
Test(steering_classic, flows_of_one_queue_are_spread_evenly)
{
    static const struct steering_slot slots[] = {{0, SOCKETS}};
    const struct steering_plan plan = PLAN(slots);
    static struct sock_filter code[BPF_MAXINSNS];
    int by_hash[SOCKETS] = {0}, by_chance[SOCKETS] = {0};
    unsigned n;

    cr_assert_eq(steering_classic_build(&plan, code, &n), 0);
    srand(4);
    for (int i = 0; i < 4000; i++) {
        uint32_t r = (uint32_t)rand() << 12 ^ (uint32_t)rand();

        by_hash[run(code, n, &(struct packet){0, (r & ~3u) | 1, 0})]++;
        by_chance[run(code, n, &(struct packet){0, 0, r})]++; // the card gives no hash
    }
    for (unsigned i = 0; i < SOCKETS; i++) {
        cr_assert(by_hash[i] > 900 && by_hash[i] < 1100, "socket %u: %d", i, by_hash[i]);
        cr_assert(by_chance[i] > 900 && by_chance[i] < 1100, "socket %u: %d", i, by_chance[i]);
    }
}

// The worst order there is: neighbours never belong together.
Test(steering_classic, a_thousand_cpus_fit_in_any_order)
{
    struct steering_slot slots[1024];
    const struct steering_plan plan = PLAN(slots);

    for (unsigned cpu = 0; cpu < array_len(slots); cpu++)
        slots[cpu] = (struct steering_slot){(uint16_t)(cpu * 7 % SOCKETS), 1};
    cr_assert_leq(prove(&plan), 2100);
}

Test(steering_classic, what_does_not_fit_is_refused)
{
    static struct steering_slot slots[3000];
    const struct steering_plan plan = PLAN(slots);
    static struct sock_filter code[BPF_MAXINSNS];
    unsigned n;

    for (unsigned cpu = 0; cpu < array_len(slots); cpu++)
        slots[cpu] = (struct steering_slot){(uint16_t)(cpu % 2), 1};
    cr_assert_eq(steering_classic_build(&plan, code, &n), -E2BIG);
    for (unsigned cpu = 0; cpu < array_len(slots); cpu++)
        slots[cpu] = (struct steering_slot){(uint16_t)cpu, 2};
    cr_assert_eq(steering_classic_build(&plan, code, &n), -E2BIG);
}
