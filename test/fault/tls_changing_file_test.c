// SPDX-License-Identifier: Apache-2.0
//
// A file changes between the head that promised its size and the bytes that were to follow. No
// close_notify may come then: it is how a TLS client tells an answer that was cut off.
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/compiler.h"
#include "test/fault/changing_file.h"
#include "test/fault/faults.h"

#define WHATEVER ((size_t)-1)

// The response ends `sent` bytes behind its head, and not cleanly. `behind`: what happens to the
// calls that follow.
static void expect_cut(const char *scene, struct fault f, const struct fault *behind, off_t to,
                       size_t sent)
{
    const struct scene *s = scene_find(scene);
    struct bytes expected = scene_expected(s);
    size_t head = (size_t)((char *)memmem(expected.p, expected.n, "\r\n\r\n", 4) + 4 - expected.p);

    f.calls = FAULT_PREADV2;
    f.count = 1;
    f.act = cut;
    cut_to = to;
    faults_order(&f, behind);
    struct bytes got = client_fetch(s->request);
    cr_assert_eq(faults_end(), 1);
    bytes_expect_prefix(&got, &expected, scene);
    cr_assert(sent == WHATEVER || got.n == head + sent, "%zu bytes behind the head", got.n - head);
    cr_assert_lt(got.n, expected.n);
    cr_assert(got.unclean, "a response that was cut off ended cleanly");
    bytes_free(&got);
    bytes_free(&expected);
    fixture_expect_log("[alert]", TRUNCATED, 1);
}

static void truncate_large_bodies(enum fixture_tls version)
{
    scenes_start_tls(version, NULL);
    fixture_path("medium", path, sizeof(path));
    expect_cut("medium", (struct fault){0}, NULL, 10000, 10000);
    scene_play(scene_find("small"));
    fixture_stop();
    // In the middle of a record: a read takes four of them.
    scenes_start_tls(version, NULL);
    fixture_path("big", path, sizeof(path));
    expect_cut("big", (struct fault){.skip = 4}, NULL, 300001, 300001);
    fixture_stop();
}

Test(tls_changing_file, truncated_in_a_large_body_1_2, .timeout = 60)
{
    truncate_large_bodies(FIXTURE_TLS_1_2);
}

Test(tls_changing_file, truncated_in_a_large_body_1_3, .timeout = 60)
{
    truncate_large_bodies(FIXTURE_TLS_1_3);
}

Test(tls_changing_file, truncated_to_less_than_was_sent_already, .timeout = 60)
{
    scenes_start_tls(FIXTURE_TLS_1_3, NULL);
    fixture_path("big", path, sizeof(path));
    expect_cut("big", (struct fault){.skip = 4}, NULL, 1000, WHATEVER);
    fixture_stop();
}

// The ring's read comes back short, then with nothing.
Test(tls_changing_file, truncated_before_the_ring_reads, .timeout = 60)
{
    struct fault misses = {.calls = FAULT_PREADV2, .err = EAGAIN};

    scenes_start_tls(FIXTURE_TLS_1_3, NULL);
    fixture_path("big", path, sizeof(path));
    expect_cut("big", (struct fault){.err = EAGAIN}, &misses, 100001, 100001);
    fixture_stop();
}

Test(tls_changing_file, emptied_before_the_ring_reads, .timeout = 60)
{
    struct fault misses = {.calls = FAULT_PREADV2, .err = EAGAIN};

    scenes_start_tls(FIXTURE_TLS_1_3, NULL);
    fixture_path("big", path, sizeof(path));
    expect_cut("big", (struct fault){.err = EAGAIN}, &misses, 0, 0);
    fixture_stop();
}

// The body of a small file is read before anything is sent.
Test(tls_changing_file, small_file_truncated_before_it_is_read, .timeout = 60)
{
    scenes_start_tls(FIXTURE_TLS_1_3, NULL);
    fixture_path("small", path, sizeof(path));
    expect_cut("small", (struct fault){0}, NULL, 300, 300);
    fixture_stop();
}

// The first of two requests in a pipeline is whole, the second is cut off.
Test(tls_changing_file, truncated_in_a_pipeline_ends_the_pipeline, .timeout = 60)
{
    const struct scene *s;

    scenes_start_tls(FIXTURE_TLS_1_3, NULL);
    fixture_path("medium", path, sizeof(path));
    s = scene_find("pipelined");
    struct bytes expected = scene_expected(s);
    cut_to = 5000;
    fault_order(&(struct fault){.calls = FAULT_PREADV2, .skip = 1, .count = 1, .act = cut});
    struct bytes got = client_fetch(s->request);
    cr_assert_eq(faults_end(), 1);
    bytes_expect_prefix(&got, &expected, s->name);
    cr_assert(got.n > 6000 && got.n < 8000 && got.unclean, "%zu bytes", got.n);
    bytes_free(&got);
    bytes_free(&expected);
    fixture_expect_log("[alert]", TRUNCATED, 1);
    scene_play(scene_find("big"));
    fixture_stop();
}

// What was sealed and the socket has not taken is dropped: there is no clean end to wait for.
Test(tls_changing_file, truncated_with_short_sends, .timeout = 60)
{
    struct fault shorter = {.calls = FAULT_SENDS, .most = 7000, .dice = true};

    scenes_start_tls(FIXTURE_TLS_1_3, NULL);
    fixture_path("big", path, sizeof(path));
    expect_cut("big", (struct fault){.skip = 4}, &shorter, 300001, WHATEVER);
    fixture_stop();
}

// What is open stays readable; who comes later gets a 404.
Test(tls_changing_file, vanished_while_it_is_sent_is_sent_whole, .timeout = 60)
{
    static const char *const names[] = {"small", "medium", "big"};

    scenes_start_tls(FIXTURE_TLS_1_3, NULL);
    for (size_t i = 0; i < array_len(names); i++) {
        fixture_path(names[i], path, sizeof(path));
        fault_order(&(struct fault){.calls = FAULT_PREADV2, .count = 1, .act = vanish});
        scene_play(scene_find(names[i]));
        cr_assert_eq(faults_end(), 1);
        struct bytes got = client_fetch(scene_find(names[i])->request);
        cr_assert_eq(memcmp(got.p, "HTTP/1.1 404 ", 13), 0);
        bytes_free(&got);
    }
    fixture_expect_log("[alert]", "", 0);
    fixture_stop();
}

// A live playlist: one response is of one version, and the next request gets the new one.
Test(tls_changing_file, replaced_by_rename_while_it_is_sent, .timeout = 60)
{
    scenes_start_tls(FIXTURE_TLS_1_3, NULL);
    fixture_path("medium", path, sizeof(path));
    fixture_file("fresh", "new", 3);
    fault_order(&(struct fault){.calls = FAULT_PREADV2, .skip = 1, .count = 1, .act = replace});
    scene_play(scene_find("medium"));
    cr_assert_eq(faults_end(), 1);
    struct bytes got = client_fetch(scene_find("medium")->request);
    cr_assert_gt(got.n, 7);
    cr_assert_eq(memcmp(got.p + got.n - 7, "\r\n\r\nnew", 7), 0);
    bytes_free(&got);
    fixture_stop();
}

// The length that was promised holds.
Test(tls_changing_file, growing_while_it_is_sent, .timeout = 60)
{
    scenes_start_tls(FIXTURE_TLS_1_3, NULL);
    fixture_path("medium", path, sizeof(path));
    fault_order(&(struct fault){.calls = FAULT_PREADV2, .count = 1, .act = grow});
    scene_play(scene_find("medium"));
    cr_assert_eq(faults_end(), 1);
    fixture_stop();
}
