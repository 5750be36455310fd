// SPDX-License-Identifier: Apache-2.0
//
// Where records are made here, the bytes of a file come through a buffer: from the page cache, or
// by the ring into a buffer of the connection's own. Misses, short reads and failing disks at each
// point.
#include <criterion/criterion.h>
#include <errno.h>

#include "lib/base/compiler.h"
#include "server/process/stats.h"
#include "test/fault/faults.h"
#include "test/fault/fixture.h"
#include "test/fault/points.h"
#include "test/fault/scenes.h"

static void play_all_under(enum fixture_tls version, const struct fault *first,
                           const struct fault *second)
{
    scenes_start_tls(version, NULL);
    faults_order(first, second);
    scenes_play(true);
    cr_assert_gt(faults_end(), 0);
    fixture_stop_well();
}

Test(tls_residency, never_resident_is_read_by_the_ring_1_2, .timeout = 60)
{
    play_all_under(FIXTURE_TLS_1_2, &(struct fault){.calls = FAULT_PREADV2, .err = EAGAIN}, NULL);
}

Test(tls_residency, never_resident_is_read_by_the_ring_1_3, .timeout = 60)
{
    play_all_under(FIXTURE_TLS_1_3, &(struct fault){.calls = FAULT_PREADV2, .err = EAGAIN}, NULL);
}

Test(tls_residency, file_system_without_rwf_nowait, .timeout = 60)
{
    play_all_under(FIXTURE_TLS_1_3, &(struct fault){.calls = FAULT_PREADV2, .err = EOPNOTSUPP},
                   NULL);
}

// RWF_NOWAIT stops where residency ends: that is no truncated file.
Test(tls_residency, short_reads, .timeout = 60)
{
    play_all_under(FIXTURE_TLS_1_3, &(struct fault){.calls = FAULT_PREADV2, .most = 400}, NULL);
}

Test(tls_residency, reads_of_random_size, .timeout = 60)
{
    play_all_under(FIXTURE_TLS_1_3,
                   &(struct fault){.calls = FAULT_PREADV2, .most = 70000, .dice = true}, NULL);
}

static void miss_at_every_read(enum fixture_tls version, int err)
{
    static const char *const names[] = {"small", "medium", "big", "big multipart", "pipelined"};

    scenes_start_tls(version, NULL);
    points_miss(names, array_len(names), err);
    fixture_stop_well();
}

Test(tls_residency, misses_at_every_read_1_2, .timeout = 60)
{
    miss_at_every_read(FIXTURE_TLS_1_2, EAGAIN);
}

Test(tls_residency, misses_at_every_read_1_3, .timeout = 60)
{
    miss_at_every_read(FIXTURE_TLS_1_3, EAGAIN);
}

Test(tls_residency, cannot_tell_at_every_read, .timeout = 60)
{
    miss_at_every_read(FIXTURE_TLS_1_3, EOPNOTSUPP);
}

Test(tls_residency, misses_of_every_second_read, .timeout = 60)
{
    scenes_start_tls(FIXTURE_TLS_1_3, NULL);
    for (unsigned n = 1; n < 8; n++) {
        struct fault pass = {.calls = FAULT_PREADV2, .count = n, .most = 30000};
        struct fault miss = {.calls = FAULT_PREADV2, .count = n, .err = EAGAIN};
        faults_order(&pass, &miss);
        scene_play(scene_find("big"));
        faults_order(&miss, &pass);
        scene_play(scene_find("big multipart"));
    }
    faults_end();
    fixture_stop_well();
}

// What the ring has read waits in its buffer while the socket is full.
static void misses_and_short_sends(enum fixture_tls version)
{
    struct fault misses = {.calls = FAULT_PREADV2, .err = EAGAIN};
    struct fault shorter = {.calls = FAULT_SENDS, .most = 30000, .dice = true};
    struct fault failing = {.calls = FAULT_SENDS, .count = 300, .err = EAGAIN};

    play_all_under(version, &misses, &shorter);
    play_all_under(version, &misses, &failing);
}

Test(tls_residency, misses_and_short_sends_together_1_2, .timeout = 60)
{
    misses_and_short_sends(FIXTURE_TLS_1_2);
}

Test(tls_residency, misses_and_short_sends_together_1_3, .timeout = 60)
{
    misses_and_short_sends(FIXTURE_TLS_1_3);
}

// Chunks smaller than what was read cut the buffer in many turns.
Test(tls_residency, misses_and_small_chunks_together, .timeout = 60)
{
    scenes_start_tls(FIXTURE_TLS_1_3, "sendfile_max_chunk 5k; ssl_buffer_size 3k;");
    fault_order(&(struct fault){.calls = FAULT_PREADV2, .err = EAGAIN});
    scenes_play(true);
    faults_end();
    fixture_stop_well();
}

Test(tls_residency, cold_files, .timeout = 60)
{
    scenes_start_tls(FIXTURE_TLS_1_3, NULL);
    scenes_play_cold();
    fixture_stop_well();
}

// The nth read fails: what was read before comes, then an end that is seen to be none.
static void fail_at_every_read(enum fixture_tls version)
{
    struct bytes expected;
    unsigned n = 0, hits;

    scenes_start_tls(version, NULL);
    expected = scene_expected(scene_find("big"));
    do {
        fault_order(&(struct fault){.calls = FAULT_PREADV2, .skip = n, .err = EIO});
        struct bytes got = client_fetch(scene_find("big")->request);
        hits = faults_end();
        bytes_expect_prefix(&got, &expected, "big");
        cr_assert_eq(got.n < expected.n, hits != 0);
        cr_assert_eq(got.unclean, hits != 0, "a response that was cut off ended cleanly");
        bytes_free(&got);
        n += hits != 0;
    } while (hits != 0);
    cr_assert_gt(n, 10);
    bytes_free(&expected);
    fixture_expect_log("[crit]", "pread() failed (5: Input/output error)", n);
    scene_play(scene_find("big"));
    fixture_stop();
}

Test(tls_residency, disk_errors_end_the_connection_uncleanly_1_2, .timeout = 60)
{
    fail_at_every_read(FIXTURE_TLS_1_2);
}

Test(tls_residency, disk_errors_end_the_connection_uncleanly_1_3, .timeout = 60)
{
    fail_at_every_read(FIXTURE_TLS_1_3);
}

Test(tls_residency, disk_error_of_a_small_file_ends_the_connection_before_its_head, .timeout = 60)
{
    scenes_start_tls(FIXTURE_TLS_1_3, NULL);
    fault_order(&(struct fault){.calls = FAULT_PREADV2, .err = EIO});
    struct bytes got = client_fetch(scene_find("small")->request);
    cr_assert(got.n == 0 && got.unclean);
    bytes_free(&got);
    faults_end();
    fixture_expect_log("[crit]", "pread() failed (5: Input/output error)", 1);
    scene_play(scene_find("small"));
    fixture_stop();
}
