// SPDX-License-Identifier: Apache-2.0
#include "lib/tls/session_cache.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIZE (16u * 4096)

static struct tls_session_cache *c;

static void make(void)
{
    c = tls_session_cache_new(SIZE);
    cr_assert_not_null(c);
}

static void unmake(void)
{
    tls_session_cache_free(c);
}

TestSuite(tls_session_cache, .init = make, .fini = unmake);

// A session says in every byte whose it is.
static void fill(unsigned char *der, size_t n, unsigned who)
{
    for (size_t i = 0; i < n; i++)
        der[i] = (unsigned char)(who * 31 + i * 7 + n);
}

static size_t id_of(unsigned who, unsigned char *id)
{
    memset(id, (int)(who & 0xff), TLS_SESSION_ID_MAX);
    memcpy(id, &who, sizeof(who));
    return TLS_SESSION_ID_MAX - who % 8;
}

static int put(unsigned who, size_t n, int64_t now, int64_t expires)
{
    unsigned char id[TLS_SESSION_ID_MAX], der[TLS_SESSION_MAX];
    size_t id_len = id_of(who, id);

    fill(der, n, who);
    return tls_session_cache_put(c, id, id_len, der, n, now, expires);
}

// Its length; -1 when it is not there, -2 when it is not what was put.
static long get(unsigned who, int64_t now)
{
    unsigned char id[TLS_SESSION_ID_MAX], der[TLS_SESSION_MAX], expected[TLS_SESSION_MAX];
    size_t n = 0, id_len = id_of(who, id);

    if (tls_session_cache_get(c, id, id_len, now, der, &n) != 0)
        return -1;
    fill(expected, n, who);
    return n <= sizeof(der) && memcmp(der, expected, n) == 0 ? (long)n : -2;
}

// Lets everything expire.
static void clear(void)
{
    while (tls_session_cache_count(c) != 0)
        cr_assert_eq(put(1, 1, INT64_MAX, 0), 0);
}

// How many sessions of that length there is room for: found by filling it with those of `from` on.
static size_t capacity(unsigned from, size_t n)
{
    size_t before;

    clear();
    do {
        before = tls_session_cache_count(c);
        cr_assert_eq(put(from++, n, 0, 100), 0);
    } while (tls_session_cache_count(c) > before);
    return before;
}

Test(tls_session_cache, gives_back_sessions_of_every_length)
{
    for (size_t n = 0; n <= TLS_SESSION_MAX; n++) {
        cr_assert_eq(put((unsigned)n, n, 0, 100), 0);
        cr_assert_eq(get((unsigned)n, 0), (long)n);
    }
}

Test(tls_session_cache, what_is_too_large_is_not_kept)
{
    unsigned char id[64] = {0}, der[TLS_SESSION_MAX + 1] = {0};

    cr_assert_eq(tls_session_cache_put(c, id, 32, der, TLS_SESSION_MAX + 1, 0, 9), -E2BIG);
    cr_assert_eq(tls_session_cache_put(c, id, 33, der, 10, 0, 9), -E2BIG);
    cr_assert_eq(tls_session_cache_put(c, id, 32, der, TLS_SESSION_MAX, 0, 9), 0);
    cr_assert_eq(tls_session_cache_count(c), 1);
}

Test(tls_session_cache, an_id_is_compared_in_its_whole_length)
{
    unsigned char id[TLS_SESSION_ID_MAX] = {1, 2, 3}, der[TLS_SESSION_MAX] = {0};
    size_t n;

    cr_assert_eq(tls_session_cache_put(c, id, 16, der, 0, 0, 9), 0);
    for (size_t len = 0; len <= TLS_SESSION_ID_MAX; len++)
        cr_assert_eq(tls_session_cache_get(c, id, len, 0, der, &n), len == 16 ? 0 : -ENOENT);
    id[15] = 1;
    cr_assert_eq(tls_session_cache_get(c, id, 16, 0, der, &n), -ENOENT);
}

Test(tls_session_cache, ids_of_impossible_lengths_find_nothing_and_read_nothing)
{
    unsigned char der[TLS_SESSION_MAX];
    unsigned char *id = malloc(1); // a step behind it is seen by the sanitizer
    size_t n = 7;

    cr_assert_not_null(id);
    cr_assert_eq(put(1, 100, 0, 9), 0);
    cr_assert_eq(tls_session_cache_get(c, id, 33, 0, der, &n), -ENOENT);
    cr_assert_eq(tls_session_cache_get(c, id, SIZE_MAX, 0, der, &n), -ENOENT);
    tls_session_cache_remove(c, id, 33);
    tls_session_cache_remove(c, id, SIZE_MAX);
    cr_assert_eq(n, 7);
    cr_assert_eq(get(1, 0), 100);
    free(id);
}

Test(tls_session_cache, a_second_session_of_an_id_replaces_the_first)
{
    unsigned char id[32] = {5}, der[TLS_SESSION_MAX];
    size_t n, room = capacity(1000, 4000);

    for (unsigned i = 0; i < 50; i++)
        cr_assert_eq(tls_session_cache_put(c, id, 32, (unsigned char[1]){(unsigned char)i}, 1, 0,
                                           100), 0);
    cr_assert_eq(tls_session_cache_get(c, id, 32, 0, der, &n), 0);
    cr_assert_eq(n, 1);
    cr_assert_eq(der[0], 49);
    tls_session_cache_remove(c, id, 32);
    cr_assert_eq(capacity(2000, 4000), room);
}

Test(tls_session_cache, lives_until_the_second_before_it_expires)
{
    cr_assert_eq(put(1, 100, 50, 60), 0);
    cr_assert_eq(get(1, 59), 100);
    cr_assert_eq(get(1, 60), -1);
    cr_assert_eq(tls_session_cache_count(c), 0, "what has expired is kept");
    cr_assert_eq(get(1, 59), -1);
}

Test(tls_session_cache, what_has_expired_already_replaces_its_id_and_is_not_kept)
{
    cr_assert_eq(put(1, 100, 50, 60), 0);
    cr_assert_eq(put(1, 100, 50, 50), 0);
    cr_assert_eq(get(1, 50), -1);
    cr_assert_eq(tls_session_cache_count(c), 0);
}

Test(tls_session_cache, expired_sessions_go_before_any_that_is_alive)
{
    size_t n = capacity(0, 100);
    unsigned alive = 0;

    unmake();
    make();
    // Every third one, wherever it stands, expires early.
    for (unsigned i = 0; i < n; i++)
        cr_assert_eq(put(i, 100, 0, i % 3 == 0 ? 10 : 100 + i * 37 % 50), 0);
    cr_assert_eq(tls_session_cache_count(c), n);
    for (unsigned i = 0; i < n / 3; i++)
        cr_assert_eq(put(100000 + i, 100, 20, 200), 0);
    for (unsigned i = 0; i < n; i++)
        alive += get(i, 20) == 100;
    cr_assert_eq(alive, n - (n + 2) / 3);
}

Test(tls_session_cache, sessions_leave_in_the_order_in_which_they_expire)
{
    unsigned n = 100;

    for (unsigned i = 0; i < n; i++)
        cr_assert_eq(put(i, 10, 0, 1000 + i * 37 % n), 0);
    // Out of the middle, so that the order has to be mended.
    for (unsigned i = 0; i < n; i += 7) {
        unsigned char id[TLS_SESSION_ID_MAX];
        size_t id_len = id_of(i, id);
        tls_session_cache_remove(c, id, id_len);
    }
    for (unsigned late = 0; late < n; late++) {
        // Puts that are not kept themselves, enough of them to drop what one leaves behind.
        cr_assert_eq(put(5000, 10, 1000 + late, 0), 0);
        size_t left = 0;
        for (unsigned i = 0; i < n; i++)
            left += i % 7 != 0 && i * 37 % n > late;
        cr_assert_eq(tls_session_cache_count(c), left, "second %u", late);
    }
}

Test(tls_session_cache, the_one_not_used_for_longest_goes_when_memory_is_out)
{
    size_t n = capacity(0, 100);

    unmake();
    make();
    for (unsigned i = 0; i < n; i++)
        cr_assert_eq(put(i, 100, 0, 100), 0);
    for (unsigned i = 0; i < n; i += 2)
        cr_assert_eq(get(i, 0), 100);
    for (unsigned i = 0; i < n / 2; i++)
        cr_assert_eq(put(100000 + i, 100, 0, 100), 0);
    for (unsigned i = 0; i < n; i += 2)
        cr_assert_eq(get(i, 0), 100, "%u was used and went", i);
    for (unsigned i = 1; i < n / 2 * 2; i += 2)
        cr_assert_eq(get(i, 0), -1, "%u was not used and stayed", i);
}

Test(tls_session_cache, memory_never_falls_to_pieces)
{
    size_t room = capacity(1, 4000);

    cr_assert_gt(room, 10);
    srand(1);
    for (unsigned i = 0; i < 20000; i++)
        cr_assert_eq(put((unsigned)rand() % 500, (size_t)rand() % 4097, 0, 100), 0);
    cr_assert_eq(capacity(1000000, 4000), room);
}

Test(tls_session_cache, holds_as_many_sessions_as_nginx_says_for_its_own)
{
    unmake();
    c = tls_session_cache_new(1u << 20);
    // nginx: one megabyte can store about 4000 sessions.
    cr_assert_gt(capacity(0, 180), 3900);
}

Test(tls_session_cache, needs_a_size_that_nginx_would_take)
{
    cr_assert_null(tls_session_cache_new(TLS_SESSION_CACHE_MIN - 1));
    cr_assert_null(tls_session_cache_new(0));
    cr_assert_null(tls_session_cache_new((size_t)1 << 60));
    unmake();
    c = tls_session_cache_new(TLS_SESSION_CACHE_MIN);
    cr_assert_not_null(c);
    cr_assert_eq(put(1, TLS_SESSION_MAX, 0, 9), 0, "the smallest cache has room for the largest");
    cr_assert_eq(get(1, 0), TLS_SESSION_MAX);
}

static const char secret[] = "this is the master secret of a session";

static void put_secret(unsigned char tag, size_t n, int64_t expires)
{
    unsigned char der[TLS_SESSION_MAX] = {0};

    for (size_t at = 0; at + sizeof(secret) < n; at += sizeof(secret))
        memcpy(der + at, secret, sizeof(secret));
    cr_assert_eq(tls_session_cache_put(c, &tag, 1, der, n, 0, expires), 0);
}

static bool secret_is_there(void)
{
    return memmem(c, SIZE, secret, 20) != NULL;
}

Test(tls_session_cache, what_is_dropped_is_wiped)
{
    unsigned char der[TLS_SESSION_MAX], id = 1;
    size_t n;

    put_secret(1, 4000, 10);
    cr_assert(secret_is_there());
    tls_session_cache_remove(c, &id, 1);
    cr_assert_not(secret_is_there(), "removed");
    put_secret(1, 4000, 10);
    cr_assert_eq(tls_session_cache_get(c, &id, 1, 10, der, &n), -ENOENT);
    cr_assert_not(secret_is_there(), "found expired");
    put_secret(1, 4000, 10);
    cr_assert_eq(put(2, 10, 10, 20), 0);
    cr_assert_not(secret_is_there(), "expired");
    put_secret(1, 4000, 1000);
    for (unsigned i = 0; i < SIZE / 4000; i++)
        cr_assert_eq(put(100 + i, 4000, 0, 1000), 0);
    cr_assert_not(secret_is_there(), "evicted");
    put_secret(1, 4000, 1000);
    put_secret(1, 1, 1000);
    cr_assert_not(secret_is_there(), "replaced");
}

static void wait_killed(pid_t child)
{
    int status;

    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

// The lock stands first in the memory and the blocks last: their links are what a process in the
// middle of a change leaves broken.
static _Noreturn void die_with_the_lock(void)
{
    pthread_mutex_lock((pthread_mutex_t *)(void *)c);
    memset((char *)c + SIZE / 2, 0x5a, SIZE / 2);
    raise(SIGKILL);
    _exit(1);
}

Test(tls_session_cache, a_holder_that_was_killed_leaves_an_empty_cache_that_works)
{
    size_t room = capacity(0, 500);
    pid_t child;

    put_secret(1, 4000, 1000);
    cr_assert(secret_is_there());
    child = fork();
    if (child == 0)
        die_with_the_lock();
    wait_killed(child);
    cr_assert_eq(get(5, 0), -1);
    cr_assert_eq(tls_session_cache_count(c), 0);
    cr_assert_not(secret_is_there());
    cr_assert_eq(capacity(0, 500), room);
}

Test(tls_session_cache, freeing_it_leaves_what_a_draining_silo_holds_empty_and_usable)
{
    int ends[2], status;
    char byte;
    pid_t child;

    put_secret(1, 4000, 1000);
    cr_assert_eq(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        close(ends[1]);
        if (read(ends[0], &byte, 1) != 0) // until the parent has freed it
            _exit(1);
        _exit(secret_is_there() || put(1, 100, 0, 9) != 0 || get(1, 0) != 100 ? 2 : 0);
    }
    unmake();
    close(ends[1]);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    make();
}

static int64_t seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

Test(tls_session_cache, a_stopped_holder_does_not_stop_the_master, .timeout = 30)
{
    int ends[2], status;
    char byte;
    pid_t child;

    cr_assert_eq(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        pthread_mutex_lock((pthread_mutex_t *)(void *)c);
        (void)!write(ends[1], "x", 1);
        for (;;)
            pause();
    }
    cr_assert_eq(read(ends[0], &byte, 1), 1);
    int64_t before = seconds();
    unmake();
    cr_assert_leq(seconds() - before, 5);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    make();
}

static unsigned draw(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 8;
}

// One of many things at random; what is found must be whole. Returns false when it is not.
static bool act(unsigned *seed)
{
    unsigned who = draw(seed) % 200;
    unsigned char id[TLS_SESSION_ID_MAX];
    size_t id_len = id_of(who, id);
    int64_t now = draw(seed) % 50;

    switch (draw(seed) % 4) {
    case 0:
        return put(who, draw(seed) % 1000, now, now + draw(seed) % 20) == 0;
    case 1:
        tls_session_cache_remove(c, id, id_len);
        return true;
    default:
        return get(who, now) != -2;
    }
}

Test(tls_session_cache, processes_side_by_side_find_only_whole_sessions, .timeout = 60)
{
    pid_t children[4];
    size_t room = capacity(0, 500);
    int status;

    for (unsigned i = 0; i < 4; i++) {
        children[i] = fork();
        if (children[i] != 0)
            continue;
        unsigned seed = i + 1;
        for (unsigned n = 0; n < 50000; n++) {
            if (!act(&seed))
                _exit(1);
        }
        _exit(0);
    }
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(waitpid(children[i], &status, 0), children[i]);
        cr_assert_eq(status, 0, "child %u: %x", i, (unsigned)status);
    }
    cr_assert_eq(capacity(1000000, 500), room, "blocks were lost");
}

static void *run_thread(void *seed)
{
    for (unsigned n = 0; n < 20000; n++) {
        if (!act(seed))
            return seed;
    }
    return NULL;
}

Test(tls_session_cache, threads_side_by_side_find_only_whole_sessions, .timeout = 60)
{
    unsigned seeds[4] = {11, 12, 13, 14};
    pthread_t threads[4];
    void *failed;

    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, run_thread, &seeds[i]), 0);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(pthread_join(threads[i], &failed), 0);
        cr_assert_null(failed);
    }
}

Test(tls_session_cache, is_whole_after_processes_were_killed_at_any_point, .timeout = 60)
{
    size_t room = capacity(0, 500);
    unsigned emptied = 0, seed = 3;

    for (unsigned round = 0; round < 200; round++) {
        cr_assert_eq(put(7, 100, 0, 1000), 0);
        pid_t child = fork();
        if (child == 0) {
            for (seed = round + 1;;)
                act(&seed);
        }
        usleep(1000 + round * 13 % 700);
        kill(child, SIGKILL);
        wait_killed(child);
        emptied += tls_session_cache_count(c) == 0;
        for (unsigned i = 0; i < 100; i++)
            cr_assert(act(&seed), "round %u", round);
    }
    cr_assert_gt(emptied, 0, "no process was killed while it had the lock");
    cr_assert_eq(capacity(2000000, 500), room, "blocks were lost");
}
