// SPDX-License-Identifier: Apache-2.0
//
// The socket takes less than it was given, in every pattern: not one byte may be lost, doubled or
// moved.
#include <criterion/criterion.h>

#include "test/fault/faults.h"
#include "test/fault/fixture.h"
#include "test/fault/scenes.h"

// All others build on the scenes being right to begin with.
Test(short_send, without_a_fault_every_scene_is_as_written, .timeout = 60)
{
    scenes_start(NULL);
    scenes_play(true);
    fixture_stop_well();
}

Test(short_send, one_byte_at_a_time, .timeout = 100)
{
    scenes_start(NULL);
    fault_order(&(struct fault){.calls = FAULT_SENDS, .most = 1});
    scenes_play(false);
    cr_assert_gt(faults_end(), MEDIUM_SIZE);
    fixture_expect_log("[crit]", "", 0);
    fixture_stop();
}

Test(short_send, one_byte_by_each_call_alone, .timeout = 100)
{
    static const unsigned calls[] = {FAULT_SEND, FAULT_SENDMSG, FAULT_SENDFILE};

    scenes_start(NULL);
    for (size_t i = 0; i < 3; i++) {
        fault_order(&(struct fault){.calls = calls[i], .count = 3000, .most = 1});
        scenes_play(false);
        cr_assert_gt(faults_end(), 0, "call %zu is not used", i);
    }
    fixture_stop();
}

Test(short_send, random_sizes, .timeout = 100)
{
    static const size_t most[] = {7, 100, 5000, 70000, 300000};

    scenes_start(NULL);
    for (size_t i = 0; i < 5; i++) {
        fault_order(&(struct fault){.calls = FAULT_SENDS, .most = most[i], .dice = true});
        scenes_play(most[i] >= 5000);
        cr_assert_gt(faults_end(), 0);
    }
    fixture_expect_log("[crit]", "", 0);
    fixture_stop();
}

// A head that stops at each of its bytes, and the body that follows.
Test(short_send, the_first_send_stops_at_every_byte, .timeout = 100)
{
    const struct scene *s;

    scenes_start(NULL);
    for (size_t i = 0; i < scene_count; i++) {
        s = &scenes[i];
        struct bytes expected = scene_expected(s);
        for (size_t n = 1; n <= 400 && n < expected.n && !s->big; n++) {
            fault_order(&(struct fault){.calls = FAULT_SENDS, .count = 1, .most = n});
            scene_play(s);
        }
        bytes_free(&expected);
    }
    fixture_stop();
}

Test(short_send, small_chunks_by_configuration, .timeout = 60)
{
    scenes_start("sendfile_max_chunk 1k; tcp_nopush on;");
    fault_order(&(struct fault){.calls = FAULT_SENDS, .most = 700, .dice = true});
    scenes_play(false);
    faults_end();
    scenes_play(true);
    fixture_stop();
}
