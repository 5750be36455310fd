// SPDX-License-Identifier: Apache-2.0
//
// The gate in front of nghttp2's choice of a stream, without nghttp2: a made-up session asks for
// frames of whatever it does not hold as deferred, in an order of its own, as the tree would.
#include "server/http2/priority.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define STREAMS 40

// What the session knows of a stream: frames that are left, and whether it was told DEFERRED.
static struct {
    struct priority_stream s;
    int frames;
    bool deferred;
} streams[STREAMS];

static struct priority_list list;
static unsigned asked, cursor; // how often the gate was asked; where the session's turn stands

static void setup(void)
{
    priority_list_init(&list);
    for (int i = 0; i < STREAMS; i++) {
        priority_stream_init(&streams[i].s, 2 * i + 1);
        streams[i].frames = 0;
        streams[i].deferred = false;
    }
    asked = cursor = 0;
}

TestSuite(priority_gate, .init = setup);

static void resume(void)
{
    struct priority_stream *s;
    while ((s = priority_resume(&list)) != NULL) {
        int i = s->id / 2;
        cr_assert(streams[i].deferred, "%d is resumed for nothing", i);
        streams[i].deferred = false;
    }
}

static void begin(int i, int frames)
{
    streams[i].frames = frames;
    priority_ready(&list, &streams[i].s);
    resume();
}

static void signal_priority(int i, uint8_t urgency, bool incremental)
{
    priority_signal(&list, &streams[i].s, (struct http_priority){urgency, incremental});
    resume();
}

// The session asks in turn: all it has, until one gives a frame. Its stream, or -1.
static int next_frame(void)
{
    for (unsigned n = 0; n < STREAMS; n++) {
        int i = (int)(cursor++ % STREAMS);
        if (streams[i].frames == 0 || streams[i].deferred)
            continue;
        asked++;
        if (!priority_may_send(&list, &streams[i].s)) {
            streams[i].deferred = true;
            continue;
        }
        priority_sent(&list, &streams[i].s);
        if (--streams[i].frames == 0)
            priority_remove(&list, &streams[i].s);
        resume();
        return i;
    }
    return -1;
}

// A text such as "0 0 2 1".
static void frames_are(const char *expected)
{
    char text[256] = "";
    size_t n = 0;
    for (int i; n < sizeof(text) - 8 && (i = next_frame()) >= 0;)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%d", n > 0 ? " " : "", i);
    cr_assert_str_eq(text, expected);
}

Test(priority_gate, without_signals_the_session_decides_alone)
{
    for (int i = 0; i < 3; i++)
        begin(i, 2);
    frames_are("0 1 2 0 1 2");
    cr_assert_eq(asked, 6, "nothing was asked for in vain");
}

Test(priority_gate, urgency_is_strict)
{
    for (int i = 0; i < 4; i++)
        begin(i, 2);
    signal_priority(0, 7, true);
    signal_priority(1, 5, false);
    signal_priority(2, 0, true);
    signal_priority(3, 1, false);
    frames_are("2 2 3 3 1 1 0 0");
}

Test(priority_gate, streams_that_are_not_incremental_go_one_after_the_other)
{
    static const int opened[] = {2, 0, 3, 1};
    for (int i = 0; i < 4; i++) {
        signal_priority(opened[i], 3, false);
        begin(opened[i], 3);
    }
    frames_are("0 0 0 1 1 1 2 2 2 3 3 3");
}

Test(priority_gate, incremental_streams_take_turns)
{
    for (int i = 0; i < 3; i++) {
        signal_priority(i, 2, true);
        begin(i, 2);
    }
    frames_are("0 1 2 0 1 2");
}

Test(priority_gate, of_one_urgency_those_that_are_not_incremental_go_first)
{
    for (int i = 0; i < 4; i++) {
        signal_priority(i, 4, i % 2 == 0);
        begin(i, 2);
    }
    frames_are("1 1 3 3 0 2 0 2");
}

Test(priority_gate, a_stream_nobody_spoke_of_stands_at_urgency_3_and_shares)
{
    for (int i = 0; i < 5; i++)
        begin(i, 2);
    signal_priority(1, 4, false);
    signal_priority(2, 3, false);
    signal_priority(3, 3, true);
    // 0, 4 and 3 take turns between 2 and 1.
    frames_are("2 2 0 4 3 0 4 3 1 1");
}

Test(priority_gate, the_unsignalled_are_the_sessions_again_when_signalled_ones_are_done)
{
    for (int i = 0; i < 6; i++)
        begin(i, 3);
    signal_priority(5, 1, false);
    cr_assert_eq(next_frame(), 5);
    cr_assert_eq(next_frame(), 5);
    cr_assert_eq(next_frame(), 5);
    asked = 0;
    for (int i = 0; i < 15; i++)
        cr_assert(next_frame() >= 0);
    cr_assert_eq(asked, 15);
    cr_assert_eq(next_frame(), -1);
}

Test(priority_gate, a_more_urgent_stream_takes_over_between_two_frames)
{
    signal_priority(0, 4, false);
    begin(0, 3);
    cr_assert_eq(next_frame(), 0);
    signal_priority(1, 2, false);
    begin(1, 2);
    frames_are("1 1 0 0");
}

Test(priority_gate, an_update_counts_from_the_next_frame_on)
{
    for (int i = 0; i < 2; i++) {
        signal_priority(i, 3, false);
        begin(i, 3);
    }
    cr_assert_eq(next_frame(), 0);
    signal_priority(1, 1, false);
    cr_assert_eq(next_frame(), 1);
    signal_priority(1, 6, false);
    frames_are("0 0 1 1");
}

Test(priority_gate, a_stream_that_waits_lets_the_next_one_send)
{
    for (int i = 0; i < 3; i++) {
        signal_priority(i, i == 0 ? 0 : 3, false);
        begin(i, 2);
    }
    // Its data is not there: the callback answers DEFERRED.
    cr_assert(priority_may_send(&list, &streams[0].s));
    priority_defer(&list, &streams[0].s);
    streams[0].deferred = true;
    resume();
    cr_assert_eq(next_frame(), 1);
    priority_ready(&list, &streams[0].s);
    resume();
    frames_are("0 0 1 2 2");
}

Test(priority_gate, a_stream_that_is_closed_while_it_is_held_back_is_forgotten)
{
    for (int i = 0; i < 3; i++)
        begin(i, 2);
    signal_priority(0, 0, false);
    cr_assert_eq(next_frame(), 0);
    cr_assert_eq(next_frame(), 0);
    setup();
    for (int i = 0; i < 3; i++)
        begin(i, 2);
    signal_priority(2, 0, false);
    cr_assert_eq(next_frame(), 2);
    cr_assert(streams[0].deferred && streams[1].deferred);
    priority_remove(&list, &streams[0].s);
    streams[0].frames = 0;
    frames_are("2 1 1");
    cr_assert(list_empty(&list.ready));
    cr_assert(list.shared == 0 && list.tree_deferred == 0);
}

Test(priority_gate, a_stream_whose_window_is_shut_unnoticed_does_not_stop_the_others)
{
    signal_priority(0, 0, false);
    begin(0, 1);
    begin(1, 2);
    begin(2, 1);
    cr_assert_not(priority_may_send(&list, &streams[1].s));
    cr_assert_not(priority_may_send(&list, &streams[2].s));
    streams[1].deferred = streams[2].deferred = true;
    // The session never asks for 0 and has nothing else.
    streams[0].frames = 0;
    cr_assert_eq(next_frame(), -1);
    cr_assert(priority_stalled(&list));
    resume();
    cr_assert_eq(next_frame(), 1);
    // Now there is a window: the session asks, which says that it is ready.
    streams[0].frames = 1;
    frames_are("2 0 1");
    cr_assert_not(priority_stalled(&list), "there is nobody");
}

Test(priority_gate, a_session_that_was_resumed_by_somebody_else_is_answered)
{
    begin(0, 1);
    begin(1, 1);
    signal_priority(1, 0, false);
    for (int i = 0; i < 3; i++)
        cr_assert_not(priority_may_send(&list, &streams[0].s));
    cr_assert_eq(list.tree_deferred, 1);
    priority_remove(&list, &streams[1].s);
    cr_assert_eq(priority_resume(&list), &streams[0].s);
    cr_assert_null(priority_resume(&list));
    cr_assert(priority_may_send(&list, &streams[0].s));
}

static int class_of(int i)
{
    const struct priority_stream *s = &streams[i].s;
    return s->urgency * 2 + (s->incremental || !s->signalled);
}

// Best class among what has frames.
static int best_class(void)
{
    int best = 99;
    for (int i = 0; i < STREAMS; i++) {
        if (streams[i].frames > 0 && class_of(i) < best)
            best = class_of(i);
    }
    return best;
}

static void check_books(void)
{
    unsigned shared = 0, deferred = 0, ready = 0;
    const struct priority_stream *last = NULL;
    list_each(it, &list.ready) {
        const struct priority_stream *s = container_of(it, struct priority_stream, link);
        int i = s->id / 2;
        ready++;
        shared += s->signalled && class_of(i) == 7;
        deferred += !s->signalled && s->deferred;
        cr_assert(last == NULL || class_of(last->id / 2) <= class_of(i));
        last = s;
    }
    for (int i = 0; i < STREAMS; i++) {
        ready -= streams[i].frames > 0;
        cr_assert(streams[i].frames == 0 || streams[i].deferred == streams[i].s.deferred);
    }
    cr_assert(ready == 0 && shared == list.shared && deferred == list.tree_deferred);
}

// A response begins or ends early, a signal comes, or nothing does.
static void something_happens(void)
{
    int i = rand() % STREAMS;
    switch (rand() % 6) {
    case 0:
        if (streams[i].frames == 0) {
            priority_stream_init(&streams[i].s, 2 * i + 1);
            streams[i].deferred = false;
            begin(i, 1 + rand() % 5);
        }
        break;
    case 1:
        signal_priority(i, (uint8_t)(rand() % 8), rand() % 2);
        break;
    case 2:
        priority_remove(&list, &streams[i].s);
        streams[i].frames = 0;
        resume();
        break;
    default:
        break;
    }
}

Test(priority_gate, whatever_happens_the_best_class_sends_and_nothing_is_lost)
{
    srand(9218);
    for (int step = 0; step < 200000; step++) {
        something_happens();
        check_books();
        if (rand() % 2 == 0)
            continue;
        int best = best_class();
        cursor = (unsigned)rand();
        int i = next_frame();
        cr_assert_eq(i < 0, best == 99, "step %d: somebody could send and nobody does", step);
        cr_assert(i < 0 || class_of(i) == best);
        check_books();
    }
}
