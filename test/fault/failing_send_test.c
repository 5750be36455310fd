// SPDX-License-Identifier: Apache-2.0
//
// A send that fails, at each point at which a response can meet it: what passes by itself must not
// be seen by the client, what is final costs that connection and nothing else.
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/compiler.h"
#include "test/fault/faults.h"
#include "test/fault/fixture.h"
#include "test/fault/points.h"
#include "test/fault/scenes.h"

static void pass_in_all_scenes(int err)
{
    scenes_start(NULL);
    for (size_t i = 0; i < scene_count; i++)
        points_pass(&scenes[i], err);
    fixture_stop_well();
}

Test(failing_send, eagain_at_every_point_changes_nothing, .timeout = 100)
{
    pass_in_all_scenes(EAGAIN);
}

Test(failing_send, eintr_at_every_point_changes_nothing, .timeout = 100)
{
    pass_in_all_scenes(EINTR);
}

Test(failing_send, enobufs_at_every_point_changes_nothing, .timeout = 100)
{
    pass_in_all_scenes(ENOBUFS);
}

Test(failing_send, enomem_at_every_point_changes_nothing, .timeout = 100)
{
    pass_in_all_scenes(ENOMEM);
}

Test(failing_send, many_failures_in_a_row_change_nothing, .timeout = 100)
{
    // Out of memory, the worker pauses each time.
    static const int errs[] = {EAGAIN, EINTR, ENOBUFS, ENOMEM}, times[] = {200, 200, 5, 5};

    scenes_start(NULL);
    for (size_t i = 0; i < scene_count; i++) {
        for (size_t k = 0; k < array_len(errs); k++) {
            struct fault rest = points_pieces(&scenes[i]);
            struct fault f = {.calls = FAULT_SENDS, .skip = 1 - (i & 1), .err = errs[k],
                              .count = (unsigned)times[k]};
            faults_order(&f, &rest);
            scene_play(&scenes[i]);
        }
    }
    fixture_stop();
}

static void break_all_scenes(int err, const char *level)
{
    char line[128];
    unsigned times = 0;

    scenes_start(NULL);
    for (size_t i = 0; i < scene_count; i++)
        times += points_break(&scenes[i], err);
    cr_assert_gt(times, scene_count);
    snprintf(line, sizeof(line), " failed (%d: %s)", err, strerror(err));
    fixture_expect_log(level, line, times);
    scene_play(scene_find("pipelined"));
    fixture_stop();
}

Test(failing_send, epipe_at_every_point_ends_that_connection, .timeout = 100)
{
    break_all_scenes(EPIPE, "[info]");
}

Test(failing_send, econnreset_at_every_point_ends_that_connection, .timeout = 100)
{
    break_all_scenes(ECONNRESET, "[info]");
}

Test(failing_send, eio_at_every_point_ends_that_connection_with_crit, .timeout = 100)
{
    break_all_scenes(EIO, "[crit]");
}

// sendfile(2) gives EIO when the disk fails below a page that was resident when it was asked for.
Test(failing_send, eio_of_sendfile_ends_the_response_behind_what_was_sent, .timeout = 60)
{
    const struct scene *s;

    scenes_start(NULL);
    s = scene_find("medium");
    struct bytes expected = scene_expected(s);
    size_t head = expected.n - MEDIUM_SIZE;
    struct fault f = {.calls = FAULT_SENDFILE, .skip = 2, .err = EIO};
    struct fault rest = {.calls = FAULT_SENDFILE, .most = 1000};
    faults_order(&f, &rest);
    struct bytes got = client_fetch(s->request);
    cr_assert_eq(got.n, head + 2000);
    bytes_expect_prefix(&got, &expected, s->name);
    faults_end();
    fixture_expect_log("[crit]", "sendfile() failed (5: Input/output error)", 1);
    bytes_free(&got);
    bytes_free(&expected);
    fixture_stop();
}

// A kernel that is out of buffers for good while the socket has room: send_timeout ends it.
Test(failing_send, enobufs_for_ever_ends_by_send_timeout, .timeout = 60)
{
    scenes_start("send_timeout 300ms;");
    fault_order(&(struct fault){.calls = FAULT_SENDS, .err = ENOBUFS});
    int fd = client_open();
    uint64_t began = now_ms();
    client_send(fd, scene_find("big")->request);
    cr_assert_eq(client_drain(fd), 0);
    uint64_t took = now_ms() - began;
    client_close(fd);
    cr_assert(took >= 290 && took < 5000, "%d ms", (int)took);
    cr_assert_lt(faults_end(), 300, "the worker spins");
    fixture_expect_log("[info]", "client timed out", 1);
    fixture_stop();
}
