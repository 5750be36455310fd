// SPDX-License-Identifier: Apache-2.0
//
// A send that fails, at each point of a TLS connection: in the handshake, in a response, and with
// the last records.
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "lib/base/compiler.h"
#include "server/process/stats.h"
#include "test/fault/faults.h"
#include "test/fault/fixture.h"
#include "test/fault/points.h"
#include "test/fault/scenes.h"
#include "test/fault/tls_client.h"

static void pass_in_all_scenes(enum fixture_tls version, int err)
{
    scenes_start_tls(version, NULL);
    for (size_t i = 0; i < scene_count; i++)
        points_pass(&scenes[i], err);
    cr_assert_eq(fixture_stats()->tls_failed, 0);
    fixture_stop_well();
}

Test(tls_failing_send, eagain_at_every_point_changes_nothing_1_2, .timeout = 100)
{
    pass_in_all_scenes(FIXTURE_TLS_1_2, EAGAIN);
}

Test(tls_failing_send, eagain_at_every_point_changes_nothing_1_3, .timeout = 100)
{
    pass_in_all_scenes(FIXTURE_TLS_1_3, EAGAIN);
}

Test(tls_failing_send, eintr_at_every_point_changes_nothing, .timeout = 100)
{
    pass_in_all_scenes(FIXTURE_TLS_1_3, EINTR);
}

Test(tls_failing_send, enobufs_at_every_point_changes_nothing_1_2, .timeout = 100)
{
    pass_in_all_scenes(FIXTURE_TLS_1_2, ENOBUFS);
}

Test(tls_failing_send, enobufs_at_every_point_changes_nothing_1_3, .timeout = 100)
{
    pass_in_all_scenes(FIXTURE_TLS_1_3, ENOBUFS);
}

Test(tls_failing_send, enomem_at_every_point_changes_nothing, .timeout = 100)
{
    pass_in_all_scenes(FIXTURE_TLS_1_3, ENOMEM);
}

static void fail_in_a_row(enum fixture_tls version)
{
    static const int errs[] = {EAGAIN, EINTR, ENOBUFS, ENOMEM}, times[] = {200, 200, 5, 5};

    scenes_start_tls(version, NULL);
    for (size_t i = 0; i < scene_count; i++) {
        for (size_t k = 0; k < array_len(errs); k++) {
            struct fault rest = points_pieces(&scenes[i]);
            struct fault f = {.calls = FAULT_SENDS, .skip = (unsigned)(i + k) % 4, .err = errs[k],
                              .count = (unsigned)times[k]};
            faults_order(&f, &rest);
            scene_play(&scenes[i]);
        }
    }
    fixture_stop();
}

Test(tls_failing_send, many_failures_in_a_row_change_nothing_1_2, .timeout = 100)
{
    fail_in_a_row(FIXTURE_TLS_1_2);
}

Test(tls_failing_send, many_failures_in_a_row_change_nothing_1_3, .timeout = 100)
{
    fail_in_a_row(FIXTURE_TLS_1_3);
}

static void break_all_scenes(enum fixture_tls version, int err)
{
    unsigned times = 0;

    scenes_start_tls(version, NULL);
    for (size_t i = 0; i < scene_count; i++)
        times += points_break(&scenes[i], err);
    cr_assert_gt(times, scene_count * 3);
    fixture_expect_log("[crit]", "", 0);
    fixture_expect_log("[alert]", "", 0);
    fixture_expect_log("[error]", "send", 0);
    cr_assert_geq(fixture_stats()->tls_failed, (int64_t)scene_count);
    scene_play(scene_find("pipelined"));
    fixture_stop();
}

Test(tls_failing_send, epipe_at_every_point_ends_that_connection_1_2, .timeout = 100)
{
    break_all_scenes(FIXTURE_TLS_1_2, EPIPE);
}

Test(tls_failing_send, epipe_at_every_point_ends_that_connection_1_3, .timeout = 100)
{
    break_all_scenes(FIXTURE_TLS_1_3, EPIPE);
}

Test(tls_failing_send, econnreset_at_every_point_ends_that_connection, .timeout = 100)
{
    break_all_scenes(FIXTURE_TLS_1_3, ECONNRESET);
}

// The first send is the server's flight.
Test(tls_failing_send, enobufs_for_ever_in_the_handshake_ends_by_its_timeout, .timeout = 60)
{
    struct tls_client c;

    scenes_start_tls(FIXTURE_TLS_1_3, "client_header_timeout 300ms;");
    fault_order(&(struct fault){.calls = FAULT_SENDS, .err = ENOBUFS});
    uint64_t began = now_ms();
    tls_client_begin(&c, client_open());
    cr_assert_not(tls_client_handshake(&c));
    uint64_t took = now_ms() - began;
    tls_client_close(&c);
    cr_assert(took >= 280 && took < 5000, "%d ms", (int)took);
    cr_assert_lt(faults_end(), 300, "the worker spins");
    fixture_expect_log("[info]", "client timed out", 1);
    cr_assert_eq(fixture_stats()->tls_failed, 1);
    fixture_stop();
}

// The handshake is one thing, send_timeout of a response another.
Test(tls_failing_send, enobufs_for_ever_in_a_response_ends_by_send_timeout, .timeout = 60)
{
    struct tls_client c;

    scenes_start_tls(FIXTURE_TLS_1_3, "send_timeout 300ms;");
    tls_client_open(&c, 0);
    while (fixture_stats()->waiting == 0)
        sleep_ms(1);
    fault_order(&(struct fault){.calls = FAULT_SENDS, .err = ENOBUFS});
    uint64_t began = now_ms();
    tls_client_send(&c, scene_find("big")->request);
    struct bytes got = tls_client_read_all(&c);
    uint64_t took = now_ms() - began;
    cr_assert(got.n == 0 && got.unclean);
    bytes_free(&got);
    tls_client_close(&c);
    cr_assert(took >= 280 && took < 5000, "%d ms", (int)took);
    cr_assert_lt(faults_end(), 300, "the worker spins");
    fixture_expect_log("[info]", "client timed out", 1);
    fixture_stop();
}
