// SPDX-License-Identifier: Apache-2.0
//
// TLS without the kernel, and a socket that takes less than it was given: handshake, records and
// close_notify arrive whole and in order, whoever seals them (TLS 1.3: our own record layer, TLS
// 1.2: OpenSSL).
#include <criterion/criterion.h>

#include "server/process/stats.h"
#include "test/fault/faults.h"
#include "test/fault/fixture.h"
#include "test/fault/scenes.h"

static void end_well(void)
{
    faults_end();
    cr_assert_eq(fixture_stats()->tls_failed, 0);
    cr_assert_eq(fixture_stats()->tls_userspace, fixture_accepted());
    fixture_stop_well();
}

static void play_all_well(enum fixture_tls version)
{
    scenes_start_tls(version, NULL);
    scenes_play(true);
    cr_assert_eq(fixture_stats()->tls_handshakes, (int64_t)scene_count);
    end_well();
}

Test(tls_short_send, without_a_fault_every_scene_is_as_written_1_2, .timeout = 60)
{
    play_all_well(FIXTURE_TLS_1_2);
}

Test(tls_short_send, without_a_fault_every_scene_is_as_written_1_3, .timeout = 60)
{
    play_all_well(FIXTURE_TLS_1_3);
}

static void one_byte(enum fixture_tls version)
{
    scenes_start_tls(version, NULL);
    fault_order(&(struct fault){.calls = FAULT_SENDS, .most = 1});
    scenes_play(false);
    cr_assert_gt(faults_end(), MEDIUM_SIZE);
    end_well();
}

Test(tls_short_send, one_byte_at_a_time_1_2, .timeout = 100)
{
    one_byte(FIXTURE_TLS_1_2);
}

Test(tls_short_send, one_byte_at_a_time_1_3, .timeout = 100)
{
    one_byte(FIXTURE_TLS_1_3);
}

static void random_sizes(enum fixture_tls version, const char *more)
{
    static const size_t most[] = {7, 100, 5000, 70000, 300000};

    scenes_start_tls(version, more);
    for (size_t i = 0; i < 5; i++) {
        fault_order(&(struct fault){.calls = FAULT_SENDS, .most = most[i], .dice = true});
        scenes_play(most[i] >= 5000);
        cr_assert_gt(faults_end(), 0);
    }
    end_well();
}

Test(tls_short_send, random_sizes_1_2, .timeout = 100)
{
    random_sizes(FIXTURE_TLS_1_2, NULL);
}

Test(tls_short_send, random_sizes_1_3, .timeout = 100)
{
    random_sizes(FIXTURE_TLS_1_3, NULL);
}

Test(tls_short_send, random_sizes_of_small_records_and_chunks, .timeout = 100)
{
    random_sizes(FIXTURE_TLS_1_3, "ssl_buffer_size 1k; sendfile_max_chunk 3k;");
}

// The nth send alone stops short at every byte: the server's flight (0), its tickets or what stands
// for them (1), a response (2).
static void stops_at_every_byte(enum fixture_tls version, unsigned nth)
{
    const struct scene *s;

    scenes_start_tls(version, NULL);
    s = scene_find("small pipeline");
    for (size_t n = 1; n <= 1300; n++) {
        fault_order(&(struct fault){.calls = FAULT_SENDS, .skip = nth, .count = 1, .most = n});
        scene_play(s);
        cr_assert_eq(faults_end(), 1);
    }
    end_well();
}

Test(tls_short_send, the_first_flight_stops_at_every_byte_1_2, .timeout = 100)
{
    stops_at_every_byte(FIXTURE_TLS_1_2, 0);
}

Test(tls_short_send, the_first_flight_stops_at_every_byte_1_3, .timeout = 100)
{
    stops_at_every_byte(FIXTURE_TLS_1_3, 0);
}

Test(tls_short_send, the_second_flight_stops_at_every_byte_1_2, .timeout = 100)
{
    stops_at_every_byte(FIXTURE_TLS_1_2, 1);
}

Test(tls_short_send, the_tickets_stop_at_every_byte, .timeout = 100)
{
    stops_at_every_byte(FIXTURE_TLS_1_3, 1);
}

Test(tls_short_send, the_response_stops_at_every_byte_1_2, .timeout = 100)
{
    stops_at_every_byte(FIXTURE_TLS_1_2, 2);
}

Test(tls_short_send, the_response_stops_at_every_byte_1_3, .timeout = 100)
{
    stops_at_every_byte(FIXTURE_TLS_1_3, 2);
}
