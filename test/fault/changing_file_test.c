// SPDX-License-Identifier: Apache-2.0
//
// A file changes between the head that promised its size and the bytes that were to follow: that
// connection ends behind what there was, nothing else happens.
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/compiler.h"
#include "test/fault/changing_file.h"
#include "test/fault/faults.h"

// The response ends `sent` bytes behind its head. Of what was cut off, the kernel may clear what is
// still on its way to the client.
static void expect_cut(const char *scene, const struct fault *f, off_t to, size_t sent)
{
    const struct scene *s = scene_find(scene);
    struct bytes expected = scene_expected(s);
    size_t head = (size_t)((char *)memmem(expected.p, expected.n, "\r\n\r\n", 4) + 4 - expected.p);

    struct fault pieces = {.calls = FAULT_SENDFILE, .most = 256u << 10};

    cut_to = to;
    faults_order(f, &pieces);
    struct bytes got = client_fetch(s->request);
    cr_assert_eq(faults_end(), 1);
    struct bytes sure = {.p = got.p, .n = min_of(got.n, head + (size_t)to)};
    bytes_expect_prefix(&sure, &expected, scene);
    cr_assert_eq(got.n, sent == 0 ? got.n : head + sent, "%zu bytes behind the head",
                 got.n - head);
    cr_assert_lt(got.n, expected.n);
    bytes_free(&got);
    bytes_free(&expected);
}

Test(changing_file, truncated_before_sendfile, .timeout = 60)
{
    struct fault f = {.calls = FAULT_SENDFILE, .count = 1, .act = cut};

    scenes_start(NULL);
    fixture_path("medium", path, sizeof(path));
    expect_cut("medium", &f, 10000, 10000);
    fixture_expect_log("[alert]", TRUNCATED, 1);
    scene_play(scene_find("small"));
    fixture_stop();
}

Test(changing_file, truncated_in_the_middle_of_a_large_body, .timeout = 60)
{
    struct fault f = {.calls = FAULT_SENDFILE, .skip = 2, .count = 1, .act = cut};

    scenes_start(NULL);
    fixture_path("big", path, sizeof(path));
    expect_cut("big", &f, 700000, 700000);
    fixture_expect_log("[alert]", TRUNCATED, 1);
    fixture_stop();
}

Test(changing_file, truncated_to_less_than_was_sent_already, .timeout = 60)
{
    struct fault f = {.calls = FAULT_SENDFILE, .skip = 2, .count = 1, .act = cut};

    scenes_start(NULL);
    fixture_path("big", path, sizeof(path));
    expect_cut("big", &f, 64 << 10, 512u << 10);
    fixture_expect_log("[alert]", TRUNCATED, 1);
    fixture_stop();
}

Test(changing_file, truncated_between_the_parts_of_a_multipart_body, .timeout = 60)
{
    struct fault f = {.calls = FAULT_SENDFILE, .skip = 1, .count = 1, .act = cut};

    scenes_start(NULL);
    fixture_path("big", path, sizeof(path));
    expect_cut("big multipart", &f, 150000, 0);
    fixture_expect_log("[alert]", TRUNCATED, 1);
    fixture_stop();
}

// The body of a small file is read before anything is sent.
Test(changing_file, small_file_truncated_before_it_is_read, .timeout = 60)
{
    struct fault f = {.calls = FAULT_PREADV2, .count = 1, .act = cut};

    scenes_start(NULL);
    fixture_path("small", path, sizeof(path));
    expect_cut("small", &f, 300, 300);
    fixture_expect_log("[alert]", TRUNCATED, 1);
    fixture_stop();
}

Test(changing_file, small_file_emptied_before_it_is_read, .timeout = 60)
{
    struct fault f = {.calls = FAULT_PREADV2, .count = 1, .act = cut};

    scenes_start(NULL);
    fixture_path("small", path, sizeof(path));
    cut_to = 0;
    fault_order(&f);
    struct bytes got = client_fetch(scene_find("small")->request);
    cr_assert_eq(got.n, 0);
    bytes_free(&got);
    fixture_expect_log("[alert]", TRUNCATED, 1);
    fixture_stop();
}

// Connections of others are not touched, also when their requests wait behind in a pipeline.
Test(changing_file, truncated_in_a_pipeline_ends_the_pipeline, .timeout = 60)
{
    struct fault f = {.calls = FAULT_SENDFILE, .count = 1, .act = cut};

    scenes_start(NULL);
    fixture_path("medium", path, sizeof(path));
    expect_cut("pipelined", &f, 5000, 0);
    fixture_expect_log("[alert]", TRUNCATED, 1);
    scene_play(scene_find("big"));
    fixture_stop();
}

// What is open stays readable; who comes later gets a 404.
Test(changing_file, vanished_while_it_is_sent_is_sent_whole, .timeout = 60)
{
    static const char *const names[] = {"small", "medium", "big"};
    char request[128];

    scenes_start(NULL);
    for (size_t i = 0; i < 3; i++) {
        fixture_path(names[i], path, sizeof(path));
        fault_order(&(struct fault){.calls = FAULT_SENDS, .count = 1, .act = vanish});
        scene_play(scene_find(names[i]));
        cr_assert_eq(faults_end(), 1);
        snprintf(request, sizeof(request), "GET /%s HTTP/1.0\r\n\r\n", names[i]);
        struct bytes got = client_fetch(request);
        cr_assert_eq(memcmp(got.p, "HTTP/1.1 404 ", 13), 0);
        bytes_free(&got);
    }
    fixture_expect_log("[alert]", "", 0);
    fixture_expect_log("[error]", "failed (2: No such file or directory)", 3);
    fixture_stop();
}

// Behind the open, before the attributes are read: both belong to the descriptor.
Test(changing_file, vanished_between_open_and_fstat_is_sent_whole, .timeout = 60)
{
    scenes_start(NULL);
    fixture_path("small", path, sizeof(path));
    fault_order(&(struct fault){.calls = FAULT_FSTAT, .count = 1, .act = vanish});
    scene_play(scene_find("small"));
    fixture_stop();
}

// A live playlist: one response is of one version, and the next request gets the new one.
Test(changing_file, replaced_by_rename_while_it_is_sent, .timeout = 60)
{
    scenes_start(NULL);
    fixture_path("medium", path, sizeof(path));
    fixture_file("fresh", "new", 3);
    fault_order(&(struct fault){.calls = FAULT_SENDFILE, .count = 1, .act = replace});
    scene_play(scene_find("medium"));
    struct bytes got = client_fetch(scene_find("medium")->request);
    cr_assert_gt(got.n, 3);
    cr_assert_eq(memcmp(got.p + got.n - 7, "\r\n\r\nnew", 7), 0);
    bytes_free(&got);
    fixture_stop();
}

// The length that was promised holds.
Test(changing_file, growing_while_it_is_sent, .timeout = 60)
{
    scenes_start(NULL);
    fixture_path("medium", path, sizeof(path));
    fault_order(&(struct fault){.calls = FAULT_SENDFILE, .count = 1, .act = grow});
    scene_play(scene_find("medium"));
    fixture_stop();
}
