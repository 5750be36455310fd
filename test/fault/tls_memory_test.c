// SPDX-License-Identifier: Apache-2.0
//
// OpenSSL gets no memory, at each point of a connection: that costs the connection, nothing else.
// Allocations of our own are not failed here.
#include <criterion/criterion.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lib/base/compiler.h"
#include "server/process/stats.h"
#include "test/fault/fixture.h"
#include "test/fault/scenes.h"

static pthread_t test_thread;
// Allocations of the worker's that pass before one fails; negative: all pass.
static _Atomic long left = -1;

static bool installed;

static bool fails(void)
{
    if (pthread_equal(pthread_self(), test_thread) || atomic_load(&left) < 0)
        return false;
    return atomic_fetch_sub(&left, 1) == 0;
}

static void *faulty_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails() ? NULL : malloc(n);
}

static void *faulty_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    if (n == 0) {
        free(p);
        return NULL;
    }
    return fails() ? NULL : realloc(p, n);
}

static void plain_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

// Only possible before OpenSSL's first allocation, which Criterion's libraries make.
__attribute__((constructor)) static void install(void)
{
    installed = CRYPTO_set_mem_functions(faulty_malloc, faulty_realloc, plain_free) == 1;
}

// What cannot be had the first time may be needed no more the second: each point fails once.
static void fail_each_allocation(enum fixture_tls version)
{
    struct bytes expected;
    unsigned whole = 0, broken = 0;

    test_thread = pthread_self();
    cr_assert(installed);
    scenes_start_tls(version, NULL);
    scene_play(scene_find("small pipeline")); // what is made once is there
    expected = scene_expected(scene_find("small pipeline"));
    for (long n = 0;; n++) {
        atomic_store(&left, n);
        struct bytes got = client_fetch(scene_find("small pipeline")->request);
        bool struck = atomic_exchange(&left, -1) < 0;
        bytes_expect_prefix(&got, &expected, "small pipeline");
        if (got.n == expected.n && !got.unclean)
            whole++;
        else
            broken++;
        bytes_free(&got);
        if (!struck)
            break;
    }
    cr_assert_gt(broken, 20);
    cr_assert_gt(whole, 0);
    bytes_free(&expected);
    fixture_settle();
    cr_assert_eq(fixture_stats()->tls_handshakes + fixture_stats()->tls_failed, fixture_accepted(),
                 "each is counted once");
    fixture_expect_log("[alert]", "", 0);
    scene_play(scene_find("pipelined"));
    fixture_stop();
}

Test(tls_memory, each_allocation_of_openssl_fails_once_1_2, .timeout = 100)
{
    fail_each_allocation(FIXTURE_TLS_1_2);
}

Test(tls_memory, each_allocation_of_openssl_fails_once_1_3, .timeout = 100)
{
    fail_each_allocation(FIXTURE_TLS_1_3);
}
