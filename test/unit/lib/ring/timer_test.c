// SPDX-License-Identifier: Apache-2.0
//
// The timing wheel, against a model that looks at every timer.
#include "lib/ring/timer.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define DAY_MS UINT64_C(86400000)
#define REACH (UINT64_C(1) << 36)

struct probe {
    struct timer timer;
    struct wheel *wheel;
    int fired;
    struct probe *victim; // what the callback acts upon
    uint64_t again;       // delay to arm with from the callback; 0: not
};

static void count(struct timer *t)
{
    container_of(t, struct probe, timer)->fired++;
}

static void probe_init(struct probe *p, struct wheel *w, timer_fn fn)
{
    *p = (struct probe){.wheel = w};
    timer_init(&p->timer, fn);
}

// To `now`, by when the probe has fired that often.
static void advance(const struct probe *p, uint64_t now, int fired)
{
    wheel_advance(p->wheel, now);
    cr_assert_eq(p->fired, fired, "%d times at %llu", p->fired, (unsigned long long)now);
}

Test(timer, fires_on_its_tick_and_not_before)
{
    static const uint64_t delays[] = {1, 2, 63, 64, 65, 4095, 4096, 4097, 75000, DAY_MS,
                                      7 * DAY_MS, 365 * DAY_MS, REACH - 1, REACH, 3 * REACH + 5};
    static const uint64_t starts[] = {0, 1, 63, 123456789, REACH - 1, REACH, REACH + 17,
                                      (UINT64_C(63) << 30) + 12345};
    static struct wheel w;

    for (size_t s = 0; s < array_len(starts); s++) {
        for (size_t d = 0; d < array_len(delays); d++) {
            struct probe p;

            wheel_init(&w, starts[s]);
            probe_init(&p, &w, count);
            timer_arm(&w, &p.timer, delays[d]);
            wheel_advance(&w, starts[s] + delays[d] - 1);
            cr_assert_eq(p.fired, 0, "early: start %zu delay %zu", s, d);
            cr_assert(timer_armed(&p.timer));
            wheel_advance(&w, starts[s] + delays[d]);
            cr_assert_eq(p.fired, 1, "late: start %zu delay %zu", s, d);
            cr_assert_not(timer_armed(&p.timer));
            cr_assert_eq(wheel_next(&w), -1);
        }
    }
}

Test(timer, following_wheel_next_reaches_the_expiry_exactly_in_few_steps)
{
    static struct wheel w;
    struct probe p;
    int steps = 0;

    wheel_init(&w, 987654321);
    probe_init(&p, &w, count);
    timer_arm(&w, &p.timer, 3 * DAY_MS + 1234567);
    while (p.fired == 0) {
        int64_t next = wheel_next(&w);

        cr_assert_gt(next, 0);
        wheel_advance(&w, w.now + (uint64_t)next);
        cr_assert_leq(++steps, WHEEL_LEVELS);
    }
    cr_assert_eq(w.now, 987654321 + 3 * DAY_MS + 1234567);
}

Test(timer, the_longest_delay_does_not_overflow)
{
    static struct wheel w;
    struct probe p;

    wheel_init(&w, 1000);
    probe_init(&p, &w, count);
    timer_arm(&w, &p.timer, UINT64_MAX);
    wheel_advance(&w, 10 * REACH);
    cr_assert_eq(p.fired, 0);
    cr_assert(timer_armed(&p.timer));
    timer_cancel(&w, &p.timer);
    cr_assert_eq(wheel_next(&w), -1);
}

Test(timer, cancel_is_harmless_twice_and_empties_the_wheel)
{
    static struct wheel w;
    struct probe a, b;

    wheel_init(&w, 5);
    probe_init(&a, &w, count);
    probe_init(&b, &w, count);
    timer_cancel(&w, &a.timer);
    timer_arm(&w, &a.timer, 100);
    timer_arm(&w, &b.timer, 100);
    timer_cancel(&w, &a.timer);
    timer_cancel(&w, &a.timer);
    cr_assert_geq(wheel_next(&w), 1);
    timer_cancel(&w, &b.timer);
    cr_assert_eq(wheel_next(&w), -1);
    wheel_advance(&w, 1000);
    cr_assert_eq(a.fired + b.fired, 0);
}

static void arm_again(struct timer *t)
{
    struct probe *p = container_of(t, struct probe, timer);

    cr_assert_not(timer_armed(t));
    p->fired++;
    timer_arm(p->wheel, t, p->again);
}

Test(timer, armed_again_from_its_callback_counts_from_the_new_now_after_a_stall)
{
    static struct wheel w;
    struct probe p;

    wheel_init(&w, 0);
    probe_init(&p, &w, arm_again);
    p.again = 10;
    timer_arm(&w, &p.timer, 10);
    advance(&p, 5000, 1); // 499 periods too late: one call, not 500
    advance(&p, 5009, 1);
    advance(&p, 5010, 2);
}

Test(timer, delay_zero_from_a_callback_does_not_loop)
{
    static struct wheel w;
    struct probe p;

    wheel_init(&w, 77);
    probe_init(&p, &w, arm_again);
    timer_arm(&w, &p.timer, 0);
    advance(&p, 77, 0);
    advance(&p, 78, 1);
    advance(&p, 79, 2);
}

static void cancel_victim(struct timer *t)
{
    struct probe *p = container_of(t, struct probe, timer);

    p->fired++;
    timer_cancel(p->wheel, &p->victim->timer);
}

static void move_victim(struct timer *t)
{
    struct probe *p = container_of(t, struct probe, timer);

    p->fired++;
    timer_arm(p->wheel, &p->victim->timer, 1000);
}

Test(timer, a_callback_cancels_a_sibling_that_is_due_too)
{
    static struct wheel w;
    struct probe first, second, third;

    wheel_init(&w, 0);
    probe_init(&first, &w, cancel_victim);
    probe_init(&second, &w, count);
    probe_init(&third, &w, count);
    first.victim = &second;
    timer_arm(&w, &first.timer, 20);
    timer_arm(&w, &second.timer, 20);
    timer_arm(&w, &third.timer, 20);
    advance(&first, 30, 1);
    cr_assert_eq(second.fired, 0);
    cr_assert_eq(third.fired, 1);
}

Test(timer, a_callback_moves_a_sibling_that_is_due_too)
{
    static struct wheel w;
    struct probe first, second;

    wheel_init(&w, 0);
    probe_init(&first, &w, move_victim);
    probe_init(&second, &w, count);
    first.victim = &second;
    timer_arm(&w, &first.timer, 20);
    timer_arm(&w, &second.timer, 21);
    advance(&second, 30, 0);
    advance(&second, 1030, 1);
}

Test(timer, a_due_timer_can_be_cancelled_between_collect_and_fire)
{
    static struct wheel w;
    struct probe a, b;
    struct list due;

    wheel_init(&w, 0);
    probe_init(&a, &w, count);
    probe_init(&b, &w, count);
    timer_arm(&w, &a.timer, 5);
    timer_arm(&w, &b.timer, 6);
    list_init(&due);
    wheel_collect(&w, 10, &due);
    cr_assert_eq(w.now, 10);
    cr_assert(timer_armed(&a.timer));
    timer_cancel(&w, &a.timer);
    wheel_fire(&due);
    cr_assert_eq(a.fired, 0);
    cr_assert_eq(b.fired, 1);
}

// The model: armed and expires of each timer, kept beside the wheel.
#define MODEL_TIMERS 150

static struct model {
    struct wheel wheel;
    struct probe probe[MODEL_TIMERS];
    bool armed[MODEL_TIMERS];
    uint64_t expires[MODEL_TIMERS];
    uint64_t target, last;
} m;

static uint64_t random_span(unsigned max_bits)
{
    uint64_t r = (uint64_t)random() << 31 ^ (uint64_t)random();

    return r & ((UINT64_C(1) << (1 + (unsigned)random() % max_bits)) - 1);
}

static void model_arm(size_t i)
{
    uint64_t delay = random_span(random() % 4 == 0 ? 40 : 14);

    timer_arm(&m.wheel, &m.probe[i].timer, delay);
    m.armed[i] = true;
    m.expires[i] = m.wheel.now + max_of(delay, 1);
}

static void model_cancel(size_t i)
{
    timer_cancel(&m.wheel, &m.probe[i].timer);
    m.armed[i] = false;
}

// In one call of three it arms itself, another, or cancels another.
static void model_fired(struct timer *t)
{
    size_t i = (size_t)(container_of(t, struct probe, timer) - m.probe);

    cr_assert(m.armed[i], "a timer that was not armed fired");
    cr_assert_eq(t->expires, m.expires[i]);
    cr_assert_leq(m.expires[i], m.target, "early");
    cr_assert_geq(m.expires[i], m.last, "out of order");
    m.last = m.expires[i];
    m.armed[i] = false;
    switch (random() % 9) {
    case 0:
        model_arm(i);
        break;
    case 1:
        model_arm((size_t)random() % MODEL_TIMERS);
        break;
    case 2:
        model_cancel((size_t)random() % MODEL_TIMERS);
        break;
    }
}

static void model_advance(void)
{
    m.target = m.wheel.now + random_span(random() % 16 == 0 ? 38 : 12);
    m.last = 0;
    wheel_advance(&m.wheel, m.target);
    cr_assert_eq(m.wheel.now, m.target);
}

static void model_compare(void)
{
    uint64_t soonest = UINT64_MAX;

    for (size_t i = 0; i < MODEL_TIMERS; i++) {
        cr_assert_eq(timer_armed(&m.probe[i].timer), m.armed[i]);
        if (m.armed[i])
            soonest = min_of(soonest, m.expires[i]);
    }
    if (soonest == UINT64_MAX) {
        cr_assert_eq(wheel_next(&m.wheel), -1);
        return;
    }
    cr_assert_gt(soonest, m.wheel.now, "late");
    cr_assert_geq(wheel_next(&m.wheel), 1);
    cr_assert_leq((uint64_t)wheel_next(&m.wheel), soonest - m.wheel.now);
}

Test(timer, random_arm_cancel_and_advance_agree_with_the_model)
{
    for (unsigned seed = 1; seed <= 20; seed++) {
        srandom(seed);
        wheel_init(&m.wheel, random_span(37));
        for (size_t i = 0; i < MODEL_TIMERS; i++) {
            probe_init(&m.probe[i], &m.wheel, model_fired);
            m.armed[i] = false;
        }
        for (int step = 0; step < 5000; step++) {
            switch (random() % 4) {
            case 0:
            case 1:
                model_arm((size_t)random() % MODEL_TIMERS);
                break;
            case 2:
                model_cancel((size_t)random() % MODEL_TIMERS);
                break;
            default:
                model_advance();
            }
            model_compare();
        }
    }
}
