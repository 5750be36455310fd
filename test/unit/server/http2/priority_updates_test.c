// SPDX-License-Identifier: Apache-2.0
//
// PRIORITY_UPDATE: a payload in parts, what it may say, and what is remembered of streams to come.
#include "server/http2/priority_updates.h"

#include <criterion/criterion.h>
#include <string.h>

static struct priority_updates updates;

static void setup(void)
{
    memset(&updates, 0, sizeof(updates));
}

TestSuite(priority_updates, .init = setup);

// The payload, given in parts of `part` bytes.
static struct priority_update read_parts(const char *payload, size_t n, size_t part)
{
    priority_updates_begin(&updates);
    for (size_t at = 0; at < n; at += part)
        priority_updates_part(&updates, payload + at, min_of(part, n - at));
    return priority_updates_end(&updates);
}

#define READ(payload) read_parts(payload, sizeof(payload) - 1, sizeof(payload))

Test(priority_updates, a_payload_is_read_in_whichever_parts_it_comes)
{
    static const char payload[] = "\x00\x00\x01\x03u=5, i";
    for (size_t part = 1; part < sizeof(payload); part++) {
        struct priority_update got = read_parts(payload, sizeof(payload) - 1, part);
        cr_assert_eq(got.kind, UPDATE_GOOD);
        cr_assert(got.id == 259 && got.p.urgency == 5 && got.p.incremental);
    }
}

Test(priority_updates, what_is_left_out_has_its_default)
{
    struct priority_update got = READ("\0\0\0\x01");
    cr_assert(got.kind == UPDATE_GOOD && got.p.urgency == 3 && !got.p.incremental);
    got = READ("\0\0\0\x01i");
    cr_assert(got.kind == UPDATE_GOOD && got.p.urgency == 3 && got.p.incremental);
}

Test(priority_updates, the_reserved_bit_is_no_part_of_the_number)
{
    cr_assert_eq(READ("\xff\xff\xff\xff" "u=1").id, INT32_MAX);
    cr_assert_eq(READ("\x80\x00\x00\x00u=1").kind, UPDATE_MISPLACED);
}

Test(priority_updates, only_streams_of_the_client_can_be_meant)
{
    cr_assert_eq(READ("\0\0\0\0u=1").kind, UPDATE_MISPLACED);
    cr_assert_eq(READ("\0\0\0\x02u=1").kind, UPDATE_MISPLACED);
}

Test(priority_updates, a_payload_without_a_whole_number_is_too_short)
{
    cr_assert_eq(READ("").kind, UPDATE_SHORT);
    cr_assert_eq(READ("\0\0\x01").kind, UPDATE_SHORT);
}

Test(priority_updates, values_that_cannot_be_read_are_passed_over)
{
    cr_assert_eq(READ("\0\0\0\x01???").kind, UPDATE_PASSED_OVER);
    cr_assert_eq(READ("\0\0\0\x01u=1,").kind, UPDATE_PASSED_OVER);
}

Test(priority_updates, a_value_that_is_too_long_is_passed_over_and_the_next_is_read)
{
    char payload[20000] = "\0\0\0\x01u=1";
    memset(payload + 7, ' ', sizeof(payload) - 7);
    cr_assert_eq(read_parts(payload, 4 + UPDATE_VALUE_MAX, 50).kind, UPDATE_GOOD);
    cr_assert_eq(read_parts(payload, 5 + UPDATE_VALUE_MAX, 50).kind, UPDATE_PASSED_OVER);
    cr_assert_eq(read_parts(payload, sizeof(payload), 4096).kind, UPDATE_PASSED_OVER);
    cr_assert_eq(READ("\0\0\0\x01u=1").kind, UPDATE_GOOD);
}

static void keep(int32_t id, uint8_t urgency)
{
    priority_updates_keep(&updates, id, (struct http_priority){urgency, false});
}

// Its urgency; -1: it was not spoken of.
static int take(int32_t id)
{
    struct http_priority p;
    return priority_updates_take(&updates, id, &p) ? p.urgency : -1;
}

Test(priority_updates, what_was_said_before_a_stream_opened_is_known_then_and_once)
{
    keep(3, 5);
    keep(1, 6);
    cr_assert_eq(take(1), 6);
    cr_assert_eq(take(3), 5);
    cr_assert_eq(take(3), -1);
}

Test(priority_updates, the_last_word_counts)
{
    keep(1, 6);
    keep(3, 1);
    keep(1, 2);
    cr_assert_eq(take(1), 2);
    cr_assert_eq(take(3), 1);
}

Test(priority_updates, streams_below_one_that_opened_will_never_be)
{
    keep(1, 1);
    keep(5, 5);
    keep(9, 2);
    cr_assert_eq(take(7), -1);
    cr_assert_eq(take(1), -1);
    cr_assert_eq(take(5), -1);
    cr_assert_eq(take(9), 2);
}

Test(priority_updates, the_oldest_word_is_forgotten_when_there_are_too_many)
{
    for (int32_t i = 0; i < UPDATES_EARLY; i++)
        keep(2 * i + 1, (uint8_t)(i % 8));
    keep(1, 7); // newer now than that about stream 3
    keep(101, 2);
    cr_assert_eq(take(1), 7);
    cr_assert_eq(take(3), -1);
    for (int32_t i = 2; i < UPDATES_EARLY; i++)
        cr_assert_eq(take(2 * i + 1), i % 8);
    cr_assert_eq(take(101), 2);
}
