// SPDX-License-Identifier: Apache-2.0
#include "lib/file/frequency.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#define ROWS 4
#define PER_WORD 16                     // counters in a word
#define LOW_BITS 0x7777777777777777ull  // of all counters after a shift to the right
#define COUNTERS_PER_ADD 4              // in a row, for each add of the window

struct frequency {
    uint32_t window;
    uint32_t mask; // counters of a row, less one
    _Atomic uint64_t adds;
    _Atomic uint64_t words[];
};

struct place {
    size_t word;
    unsigned shift;
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

// Where the key's counters are. Each row has bits of its own, so that two keys that meet in one row
// do not meet in the others.
static void find_places(const struct frequency *f, uint64_t hash, struct place p[ROWS])
{
    uint64_t a = mix(hash + 0x9e3779b97f4a7c15u), b = mix(hash ^ 0xd6e8feb86659fd93u);
    uint32_t at[ROWS] = {(uint32_t)a, (uint32_t)(a >> 32), (uint32_t)b, (uint32_t)(b >> 32)};
    size_t row_words = ((size_t)f->mask + 1) / PER_WORD;

    for (unsigned r = 0; r < ROWS; r++) {
        uint32_t i = at[r] & f->mask;
        p[r] = (struct place){r * row_words + i / PER_WORD, i % PER_WORD * 4};
    }
}

static unsigned value_at(uint64_t word, unsigned shift)
{
    return (unsigned)(word >> shift) & FREQUENCY_MAX;
}

static unsigned smallest(const uint64_t words[ROWS], const struct place p[ROWS])
{
    unsigned least = FREQUENCY_MAX;

    for (unsigned r = 0; r < ROWS; r++)
        least = min_of(least, value_at(words[r], p[r].shift));
    return least;
}

static void load_words(const struct frequency *f, const struct place p[ROWS], uint64_t out[ROWS])
{
    for (unsigned r = 0; r < ROWS; r++)
        out[r] = atomic_load_explicit(&f->words[p[r].word], memory_order_relaxed);
}

int frequency_make(struct frequency **out, uint32_t window)
{
    uint32_t width = 64;

    if (window == 0 || window > FREQUENCY_WINDOW_MAX)
        return -EINVAL;
    while (width < window * COUNTERS_PER_ADD)
        width *= 2;
    size_t words = (size_t)width * ROWS / PER_WORD;
    struct frequency *f = calloc(1, sizeof(*f) + words * sizeof(f->words[0]));
    if (f == NULL)
        return -ENOMEM;
    f->window = window;
    f->mask = width - 1;
    *out = f;
    return 0;
}

void frequency_free(struct frequency *f)
{
    free(f);
}

// Only the smallest counters are raised (conservative update): the others are already too high by
// what other keys have added.
void frequency_add(struct frequency *f, uint64_t hash)
{
    struct place p[ROWS];
    uint64_t words[ROWS];

    atomic_fetch_add_explicit(&f->adds, 1, memory_order_relaxed);
    find_places(f, hash, p);
    load_words(f, p, words);
    unsigned least = smallest(words, p);
    if (least == FREQUENCY_MAX)
        return;
    for (unsigned r = 0; r < ROWS; r++) {
        // Tried once: whoever was faster has changed the word, and this increment is lost.
        if (value_at(words[r], p[r].shift) == least)
            atomic_compare_exchange_strong_explicit(&f->words[p[r].word], &words[r],
                                                    words[r] + (1ull << p[r].shift),
                                                    memory_order_relaxed, memory_order_relaxed);
    }
}

unsigned frequency_estimate(const struct frequency *f, uint64_t hash)
{
    struct place p[ROWS];
    uint64_t words[ROWS];

    find_places(f, hash, p);
    load_words(f, p, words);
    return smallest(words, p);
}

static void halve(_Atomic uint64_t *word)
{
    uint64_t old = atomic_load_explicit(word, memory_order_relaxed);

    while (old != 0 && !atomic_compare_exchange_weak_explicit(word, &old, (old >> 1) & LOW_BITS,
                                                              memory_order_relaxed,
                                                              memory_order_relaxed))
        ;
}

bool frequency_age(struct frequency *f)
{
    size_t words = ((size_t)f->mask + 1) * ROWS / PER_WORD;

    if (atomic_load_explicit(&f->adds, memory_order_relaxed) < f->window)
        return false;
    atomic_store_explicit(&f->adds, 0, memory_order_relaxed);
    for (size_t i = 0; i < words; i++)
        halve(&f->words[i]);
    return true;
}
