// SPDX-License-Identifier: Apache-2.0
//
// The sketch: what it may get wrong, what a pass over a catalogue does to it, and ageing.
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>

#include "lib/file/frequency.h"

#define WINDOW 16384u

static struct frequency *sketch;

static void setup(void)
{
    cr_assert_eq(frequency_make(&sketch, WINDOW), 0);
}

static void teardown(void)
{
    frequency_free(sketch);
}

TestSuite(frequency, .init = setup, .fini = teardown, .timeout = 60);

// splitmix64: the same keys in every run.
static uint64_t key(uint64_t n)
{
    uint64_t x = (n + 1) * 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void add(uint64_t hash, unsigned times)
{
    while (times-- != 0)
        frequency_add(sketch, hash);
}

static void age(void)
{
    add(key(1000000), WINDOW);
    cr_assert(frequency_age(sketch));
}

Test(frequency, counts_one_by_one_up_to_its_maximum)
{
    for (unsigned i = 0; i < 40; i++) {
        cr_expect_eq(frequency_estimate(sketch, key(1)), i < FREQUENCY_MAX ? i : FREQUENCY_MAX);
        frequency_add(sketch, key(1));
    }
    cr_expect_eq(frequency_estimate(sketch, key(2)), 0);
}

// Keys that differ in few bits, as hashes never do but mistakes in them would.
Test(frequency, near_keys_are_different_keys)
{
    add(64, 9);
    for (uint64_t k = 0; k < 64; k++)
        cr_expect_eq(frequency_estimate(sketch, k), 0, "key %u", (unsigned)k);
    for (unsigned bit = 7; bit < 64; bit++)
        cr_expect_eq(frequency_estimate(sketch, 64 ^ (uint64_t)1 << bit), 0, "bit %u", bit);
}

Test(frequency, errs_upwards_alone_and_seldom)
{
    unsigned wrong = 0, far = 0;

    for (unsigned i = 0; i < 8000; i++)
        add(key(i), i % 8);
    for (unsigned i = 0; i < 2 * WINDOW - 28000; i++)
        frequency_add(sketch, key(100000 + i));
    for (unsigned i = 0; i < 8000; i++) {
        unsigned estimate = frequency_estimate(sketch, key(i));
        cr_assert_geq(estimate, i % 8);
        wrong += estimate > i % 8;
        far += estimate > i % 8 + 1;
    }
    cr_expect_lt(wrong, 8000 / 500, "%u of 8000", wrong);
    cr_expect_leq(far, 1, "%u of 8000", far);
}

Test(frequency, a_pass_over_a_catalogue_pushes_no_hot_key_away)
{
    unsigned lowest = FREQUENCY_MAX, confused = 0, pass = 100000;

    add(key(0), 8);
    for (unsigned i = 1; i <= pass; i++) {
        frequency_add(sketch, key(i));
        if (i % 1000 == 0)
            frequency_add(sketch, key(0));
        unsigned hot = frequency_estimate(sketch, key(0));
        lowest = hot < lowest ? hot : lowest;
        confused += frequency_estimate(sketch, key(i)) >= hot;
        (void)frequency_age(sketch);
    }
    cr_expect_geq(lowest, 3, "%u", lowest);
    cr_expect_leq(confused, pass / 10000, "%u keys of the pass seem as hot", confused);
}

Test(frequency, a_key_that_rests_for_a_pass_shorter_than_the_window_keeps_half)
{
    add(key(0), 12);
    for (unsigned i = 1; i <= WINDOW; i++) {
        frequency_add(sketch, key(i));
        (void)frequency_age(sketch);
    }
    cr_expect_geq(frequency_estimate(sketch, key(0)), 6);
}

Test(frequency, ages_after_a_window_and_not_before)
{
    add(key(1), 13);
    cr_expect_not(frequency_age(sketch));
    cr_expect_eq(frequency_estimate(sketch, key(1)), 13);
    age();
    cr_expect_eq(frequency_estimate(sketch, key(1)), 6);
    cr_expect_not(frequency_age(sketch), "the next window has only begun");
    age();
    age();
    cr_expect_eq(frequency_estimate(sketch, key(1)), 1);
    age();
    cr_expect_eq(frequency_estimate(sketch, key(1)), 0);
}

static void *add_many(void *arg)
{
    uint64_t own = *(uint64_t *)arg;

    for (unsigned i = 0; i < 20000; i++) {
        frequency_add(sketch, key(own));
        frequency_add(sketch, key(7));
        frequency_add(sketch, key(i % 1000 + 5000));
    }
    return NULL;
}

Test(frequency, threads_add_while_one_ages)
{
    pthread_t threads[3];
    uint64_t own[3] = {100, 101, 102};
    unsigned aged = 0;

    for (int i = 0; i < 3; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, add_many, &own[i]), 0);
    for (int i = 0; i < 2000; i++)
        aged += frequency_age(sketch);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    aged += frequency_age(sketch);
    cr_expect_geq(aged, 1);
    add(key(7), FREQUENCY_MAX);
    cr_expect_eq(frequency_estimate(sketch, key(7)), FREQUENCY_MAX);
    cr_expect_eq(frequency_estimate(sketch, key(999999)), 0);
}

Test(frequency, refuses_windows_that_make_no_sense)
{
    struct frequency *f;

    cr_expect_eq(frequency_make(&f, 0), -EINVAL);
    cr_expect_eq(frequency_make(&f, FREQUENCY_WINDOW_MAX + 1), -EINVAL);
    cr_assert_eq(frequency_make(&f, 1), 0);
    frequency_add(f, key(1));
    cr_expect_eq(frequency_estimate(f, key(1)), 1);
    cr_expect(frequency_age(f));
    frequency_free(f);
    frequency_free(NULL);
}
