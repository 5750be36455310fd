// SPDX-License-Identifier: Apache-2.0
//
// The page cache doesn't answer, or not as hoped for: file systems without RWF_NOWAIT, kernels
// without cachestat(2), pages that go between two looks, disks that fail.
#include <criterion/criterion.h>
#include <errno.h>

#include "lib/base/compiler.h"
#include "test/fault/faults.h"
#include "test/fault/fixture.h"
#include "test/fault/points.h"
#include "test/fault/scenes.h"

static void play_all_under(const struct fault *first, const struct fault *second)
{
    scenes_start(NULL);
    faults_order(first, second);
    scenes_play(true);
    cr_assert_gt(faults_end(), 0);
    fixture_stop_well();
}

Test(residency, never_resident_is_fetched_by_the_ring, .timeout = 60)
{
    play_all_under(&(struct fault){.calls = FAULT_PREADV2, .err = EAGAIN}, NULL);
}

Test(residency, file_system_without_rwf_nowait_still_serves_small_files, .timeout = 60)
{
    play_all_under(&(struct fault){.calls = FAULT_PREADV2, .err = EOPNOTSUPP}, NULL);
}

Test(residency, file_system_without_rwf_nowait_and_kernel_without_cachestat, .timeout = 60)
{
    play_all_under(&(struct fault){.calls = FAULT_PREADV2, .err = EOPNOTSUPP},
                   &(struct fault){.calls = FAULT_CACHESTAT, .err = ENOSYS});
}

Test(residency, kernel_without_cachestat, .timeout = 60)
{
    play_all_under(&(struct fault){.calls = FAULT_CACHESTAT, .err = ENOSYS}, NULL);
}

Test(residency, cachestat_is_refused, .timeout = 60)
{
    play_all_under(&(struct fault){.calls = FAULT_CACHESTAT, .err = EPERM}, NULL);
}

Test(residency, cachestat_does_not_know_the_file_system, .timeout = 60)
{
    play_all_under(&(struct fault){.calls = FAULT_CACHESTAT, .err = EOPNOTSUPP}, NULL);
}

Test(residency, interrupted_probes, .timeout = 60)
{
    scenes_start(NULL);
    for (unsigned n = 0; n < 6; n++) {
        fault_order(&(struct fault){.calls = FAULT_PREADV2, .skip = n, .count = 5, .err = EINTR});
        scene_play(scene_find("medium"));
        scene_play(scene_find("small"));
    }
    fixture_stop();
}

// RWF_NOWAIT stops where residency ends: that is no truncated file.
Test(residency, small_file_of_which_only_the_first_page_is_resident, .timeout = 60)
{
    play_all_under(&(struct fault){.calls = FAULT_PREADV2, .most = 400}, NULL);
}

Test(residency, misses_at_every_probe, .timeout = 60)
{
    static const char *const names[] = {"small", "big", "big multipart", "pipelined"};

    scenes_start(NULL);
    points_miss(names, array_len(names), EAGAIN);
    fixture_stop();
}

Test(residency, misses_and_short_sends_together, .timeout = 60)
{
    struct fault misses = {.calls = FAULT_PREADV2, .err = EAGAIN};
    struct fault shorter = {.calls = FAULT_SENDS, .most = 50000, .dice = true};

    play_all_under(&misses, &shorter);
}

Test(residency, cold_files, .timeout = 60)
{
    scenes_start(NULL);
    scenes_play_cold();
    fixture_stop();
}

// Nothing of a small file's response has been sent when the read behind its head fails.
Test(residency, disk_error_of_a_small_file_ends_the_connection_before_its_head, .timeout = 60)
{
    scenes_start(NULL);
    fault_order(&(struct fault){.calls = FAULT_PREADV2, .err = EIO});
    struct bytes got = client_fetch(scene_find("small")->request);
    cr_assert_eq(got.n, 0);
    bytes_free(&got);
    faults_end();
    fixture_expect_log("[crit]", "pread() failed (5: Input/output error)", 1);
    scene_play(scene_find("small"));
    fixture_stop();
}

// A probe that fails says nothing about the read that follows on the ring.
Test(residency, disk_error_of_a_probe_alone_does_no_harm, .timeout = 60)
{
    scenes_start(NULL);
    fault_order(&(struct fault){.calls = FAULT_PREADV2, .err = EIO});
    scene_play(scene_find("medium"));
    scene_play(scene_find("big"));
    scene_play(scene_find("range"));
    cr_assert_gt(faults_end(), 0);
    fixture_stop();
}
