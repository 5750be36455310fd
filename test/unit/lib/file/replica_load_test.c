// SPDX-License-Identifier: Apache-2.0
//
// The replica store under a load: what a pass over a catalogue does to the hot set, how fast the
// store follows when the hot set changes, and many threads that look up, write and evict at once.
#include <pthread.h>
#include <stdatomic.h>

#include "test/unit/lib/file/replica_fixture.h"

#define HOT 32u
#define CATALOGUE 20000u

TestSuite(replica_load, .init = store_up, .fini = store_down, .timeout = 120);

// A catalogue is one file of holes, each chunk of which stands for a file.
static int catalogue;
static struct replica_file catalogue_id;
static uint64_t state;

static void make_catalogue(void)
{
    catalogue = make_file("catalogue", 0, 1);
    cr_assert_eq(ftruncate(catalogue, (off_t)((HOT + 2 * CATALOGUE) * CHUNK)), 0);
    catalogue_id = identity(catalogue);
    state = 88172645463325252u;
}

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

// One response of a chunk; was it in the store?
static bool serve(uint64_t chunk)
{
    struct replica_hit hit;
    bool there = replica_get(store, &catalogue_id, chunk * CHUNK, CHUNK, &hit);

    if (there)
        replica_put(store, &hit, CHUNK);
    else
        replica_want(store, &catalogue_id, catalogue, chunk * CHUNK, CHUNK);
    work();
    return there;
}

static double serve_hot(uint64_t first, unsigned times)
{
    unsigned hits = 0;

    for (unsigned i = 0; i < times; i++)
        hits += serve(first + next_random() % HOT);
    return (double)hits / times;
}

Test(replica_load, a_pass_over_a_catalogue_evicts_no_hot_chunk)
{
    unsigned hits = 0, hot = 0;

    make_catalogue();
    make_store(HOT);
    serve_hot(0, 20 * HOT);
    uint64_t admitted = replica_counts(store).admitted;
    cr_expect_eq(admitted, HOT);
    for (unsigned i = 0; i < CATALOGUE; i++) {
        serve(HOT + i);
        if (i % 4 == 0) {
            hits += serve(next_random() % HOT);
            hot++;
        }
    }
    cr_expect_geq(hits, hot * 95 / 100, "%u of %u", hits, hot);
    cr_expect_leq(replica_counts(store).admitted, admitted + HOT / 8);
    close(catalogue);
}

// With nobody asking for the hot set meanwhile, nothing else becomes frequent either.
Test(replica_load, a_pass_while_the_hot_set_rests_evicts_nothing)
{
    make_catalogue();
    make_store(HOT);
    serve_hot(0, 20 * HOT);
    for (unsigned i = 0; i < 2 * CATALOGUE; i++)
        serve(HOT + i);
    cr_expect_leq(replica_counts(store).evicted, HOT / 16);
    cr_expect_geq(serve_hot(0, 10 * HOT), 0.9);
    close(catalogue);
}

Test(replica_load, a_store_larger_than_the_hot_set_is_not_filled_by_a_pass)
{
    make_catalogue();
    make_store(4 * HOT);
    serve_hot(0, 20 * HOT);
    for (unsigned i = 0; i < CATALOGUE; i++)
        serve(HOT + i);
    cr_expect_leq(replica_counts(store).admitted, HOT + CATALOGUE / 1000);
    close(catalogue);
}

Test(replica_load, a_new_hot_set_takes_the_place_of_the_old_one)
{
    make_catalogue();
    make_store(HOT);
    serve_hot(0, 100 * HOT);
    // One pause as long as a chunk is left alone after it was refused.
    for (int i = 0; i < 4; i++) {
        serve_hot(HOT, 60 * HOT);
        usleep(1050000);
    }
    cr_expect_geq(serve_hot(HOT, 20 * HOT), 0.95);
    close(catalogue);
}

// ---- Threads.

#define READERS 3
#define FILES 4u
#define FILE_CHUNKS 2u

static int files[FILES];
static _Atomic unsigned changes[FILES]; // odd: a change is under way; its half: the version
static _Atomic bool stop;
static _Atomic unsigned verified;

static void verify(const struct replica_hit *hit, uint64_t off, unsigned file, unsigned seen)
{
    uint64_t word;

    cr_assert_eq(pread(hit->fd, &word, sizeof(word), (off_t)hit->off), (ssize_t)sizeof(word));
    if (seen % 2 != 0 || atomic_load(&changes[file]) != seen)
        return;
    cr_assert_eq(word, word_at(off, seen / 2 * FILES + file), "stale: %llx",
                 (unsigned long long)word);
    atomic_fetch_add(&verified, 1);
}

static void *read_on(void *arg)
{
    uint64_t x = (uintptr_t)arg * 0x9e3779b97f4a7c15u + 1;

    while (!atomic_load(&stop)) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        unsigned file = (unsigned)(x >> 20) % FILES;
        uint64_t off = (x >> 30) % (FILE_CHUNKS * CHUNK / 8) * 8, n = min_of(CHUNK, 64u << 10);
        unsigned seen = atomic_load(&changes[file]);
        struct replica_file id = identity(files[file]);
        struct replica_hit hit;

        if (replica_get(store, &id, off, n, &hit)) {
            verify(&hit, off, file, seen);
            replica_put(store, &hit, hit.len);
        } else {
            replica_want(store, &id, files[file], off, CHUNK);
        }
    }
    return NULL;
}

static void *work_on(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        if (!replica_work(store))
            usleep(100);
    }
    return NULL;
}

static void change(unsigned file)
{
    unsigned n = atomic_fetch_add(&changes[file], 1) + 1;

    // The change and the two beside it are told apart by the clock.
    usleep(TICK_US);
    write_version(files[file], FILE_CHUNKS * CHUNK, (n + 1) / 2 * FILES + file);
    usleep(TICK_US);
    atomic_store(&changes[file], n + 1);
}

Test(replica_load, threads_look_up_change_and_evict)
{
    pthread_t threads[READERS + 1];

    make_store(FILES * FILE_CHUNKS - 2); // not all find room
    for (unsigned i = 0; i < FILES; i++) {
        char name[16];
        snprintf(name, sizeof(name), "f%u", i);
        files[i] = make_file(name, FILE_CHUNKS * CHUNK, i);
    }
    usleep(TICK_US);
    for (uintptr_t i = 0; i < READERS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, read_on, (void *)i), 0);
    cr_assert_eq(pthread_create(&threads[READERS], NULL, work_on, NULL), 0);
    for (unsigned i = 0; i < 40; i++) {
        usleep(50000);
        change(i % 2);
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i <= READERS; i++)
        pthread_join(threads[i], NULL);
    work();
    struct replica_counts n = replica_counts(store);
    cr_expect_gt(n.stale, 3, "%u", (unsigned)n.stale);
    cr_expect_gt(atomic_load(&verified), 1000);
    cr_expect_eq(n.held, (n.admitted - n.evicted - n.stale) * CHUNK);
    for (unsigned i = 0; i < FILES; i++)
        close(files[i]);
}
