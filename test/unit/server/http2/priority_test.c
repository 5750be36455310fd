// SPDX-License-Identifier: Apache-2.0
//
// The gate in front of nghttp2's choice of a stream, without nghttp2: a made-up session asks for
// frames of whatever it does not hold as deferred, in an order of its own, as its tree would.
#include "server/http2/priority.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/http2/priority_tree.h"

#define STREAMS 40

// What the session knows of a stream: frames that are left, and whether it was told DEFERRED.
static struct {
    struct priority_stream s;
    int frames;
    bool deferred;
} streams[STREAMS];

static struct priority_list list;
static struct priority_tree *tree;
static unsigned asked, cursor; // how often the gate was asked; where the session's turn stands

static int id_of(int i)
{
    return 2 * i + 1;
}

static void setup(void)
{
    priority_list_init(&list);
    for (int i = 0; i < STREAMS; i++) {
        priority_stream_init(&streams[i].s, id_of(i));
        streams[i].frames = 0;
        streams[i].deferred = false;
    }
    asked = cursor = 0;
    tree = priority_tree_new();
    cr_assert_not_null(tree);
}

static void teardown(void)
{
    priority_tree_free(tree);
}

TestSuite(priority_gate, .init = setup, .fini = teardown);

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

// From sharing to an order: the core says what is ready.
static void use(enum priority_mode mode)
{
    priority_set_mode(&list, mode);
    for (int i = 0; i < STREAMS; i++) {
        if (streams[i].frames != 0)
            priority_ready(&list, &streams[i].s);
    }
    resume();
}

static void open_in_tree(int i)
{
    streams[i].s.node = priority_tree_open(tree, id_of(i));
    cr_assert_not_null(streams[i].s.node);
}

static void depend(int i, int on, uint16_t weight, bool exclusive)
{
    struct priority_wish w = {.depends = on < 0 ? 0 : id_of(on), .weight = weight,
                              .exclusive = exclusive};
    priority_tree_set(tree, id_of(i), &w);
    priority_tree_changed(&list);
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
            resume();
            n = 0;
            continue;
        }
        priority_sent(&list, &streams[i].s);
        if (--streams[i].frames == 0)
            priority_remove(&streams[i].s);
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
    cr_assert(list_empty(&list.ready), "no books are kept");
    frames_are("0 1 2 0 1 2");
    cr_assert_eq(asked, 6, "nothing was asked for in vain");
}

Test(priority_gate, the_first_signal_orders_what_shared_before)
{
    for (int i = 0; i < 4; i++)
        begin(i, 3);
    cr_assert_eq(next_frame(), 0);
    cr_assert_eq(next_frame(), 1);
    use(PRIORITY_URGENCY);
    signal_priority(3, 0, false);
    frames_are("3 3 3 0 0 1 1 2 2 2");
}

Test(priority_gate, a_stream_that_waited_for_the_disk_while_all_shared_is_resumed_later)
{
    begin(0, 1);
    begin(1, 1);
    cr_assert(priority_may_send(&list, &streams[0].s));
    priority_defer(&streams[0].s);
    streams[0].deferred = true;
    streams[0].frames = 0;
    use(PRIORITY_URGENCY);
    cr_assert_eq(next_frame(), 1);
    begin(0, 1);
    frames_are("0");
}

Test(priority_gate, urgency_is_strict)
{
    use(PRIORITY_URGENCY);
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
    use(PRIORITY_URGENCY);
    for (int i = 0; i < 4; i++)
        begin(opened[i], 3);
    cursor = 0;
    frames_are("0 0 0 1 1 1 2 2 2 3 3 3");
}

Test(priority_gate, incremental_streams_take_turns)
{
    use(PRIORITY_URGENCY);
    for (int i = 0; i < 3; i++) {
        signal_priority(i, 2, true);
        begin(i, 2);
    }
    frames_are("0 1 2 0 1 2");
}

Test(priority_gate, of_one_urgency_those_that_are_not_incremental_go_first)
{
    use(PRIORITY_URGENCY);
    for (int i = 0; i < 4; i++) {
        signal_priority(i, 4, i % 2 == 0);
        begin(i, 2);
    }
    frames_are("1 1 3 3 0 2 0 2");
}

Test(priority_gate, a_stream_nobody_spoke_of_has_the_defaults)
{
    use(PRIORITY_URGENCY);
    for (int i = 0; i < 5; i++)
        begin(i, 2);
    signal_priority(1, 4, false);
    signal_priority(2, 3, false);
    signal_priority(3, 3, true);
    frames_are("0 0 2 2 4 4 3 3 1 1");
}

Test(priority_gate, a_more_urgent_stream_takes_over_between_two_frames)
{
    use(PRIORITY_URGENCY);
    signal_priority(0, 4, false);
    begin(0, 3);
    cr_assert_eq(next_frame(), 0);
    signal_priority(1, 2, false);
    begin(1, 2);
    frames_are("1 1 0 0");
}

Test(priority_gate, an_update_counts_from_the_next_frame_on)
{
    use(PRIORITY_URGENCY);
    for (int i = 0; i < 2; i++)
        begin(i, 3);
    cr_assert_eq(next_frame(), 0);
    signal_priority(1, 1, false);
    cr_assert_eq(next_frame(), 1);
    signal_priority(1, 6, false);
    frames_are("0 0 1 1");
}

Test(priority_gate, a_stream_that_waits_lets_the_next_one_send)
{
    use(PRIORITY_URGENCY);
    for (int i = 0; i < 3; i++) {
        signal_priority(i, i == 0 ? 0 : 3, false);
        begin(i, 2);
    }
    // Its data is not there: the callback answers DEFERRED.
    cr_assert(priority_may_send(&list, &streams[0].s));
    priority_defer(&streams[0].s);
    streams[0].deferred = true;
    resume();
    cr_assert_eq(next_frame(), 1);
    priority_ready(&list, &streams[0].s);
    resume();
    frames_are("0 0 1 2 2");
}

Test(priority_gate, a_stream_that_is_closed_while_it_is_held_back_is_forgotten)
{
    use(PRIORITY_URGENCY);
    for (int i = 0; i < 3; i++)
        begin(i, 2);
    signal_priority(2, 0, false);
    cr_assert_eq(next_frame(), 2);
    cr_assert(streams[0].deferred && streams[1].deferred);
    priority_remove(&streams[0].s);
    streams[0].frames = 0;
    frames_are("2 1 1");
    cr_assert(list_empty(&list.ready));
}

Test(priority_gate, a_stream_whose_window_is_shut_unnoticed_does_not_stop_the_others)
{
    use(PRIORITY_URGENCY);
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
    frames_are("0 1 2");
    cr_assert_not(priority_stalled(&list), "there is nobody");
}

Test(priority_gate, a_session_that_was_resumed_by_somebody_else_is_answered)
{
    use(PRIORITY_URGENCY);
    begin(0, 1);
    begin(1, 1);
    signal_priority(1, 0, false);
    for (int i = 0; i < 3; i++)
        cr_assert_not(priority_may_send(&list, &streams[0].s));
    priority_remove(&streams[1].s);
    cr_assert_eq(priority_resume(&list), &streams[0].s);
    cr_assert_null(priority_resume(&list));
    cr_assert(priority_may_send(&list, &streams[0].s));
}

Test(priority_gate, in_the_tree_depth_goes_first_then_weight_then_turns)
{
    for (int i = 0; i < 5; i++)
        open_in_tree(i);
    use(PRIORITY_TREE);
    depend(0, 4, 256, false);
    depend(1, -1, 10, false);
    depend(2, -1, 10, false);
    depend(3, 4, 255, false);
    depend(4, -1, 20, false);
    for (int i = 0; i < 5; i++)
        begin(i, 2);
    frames_are("4 4 1 2 1 2 0 0 3 3");
}

Test(priority_gate, a_change_of_the_tree_counts_from_the_next_frame_on)
{
    for (int i = 0; i < 3; i++) {
        open_in_tree(i);
        depend(i, -1, (uint16_t)(100 - i), false);
    }
    use(PRIORITY_TREE);
    for (int i = 0; i < 3; i++)
        begin(i, 3);
    cr_assert_eq(next_frame(), 0);
    depend(2, -1, 200, true);
    frames_are("2 2 2 0 0 1 1 1");
}

Test(priority_gate, a_signal_of_rfc_9218_ends_the_tree)
{
    for (int i = 0; i < 3; i++)
        open_in_tree(i);
    depend(0, 2, 16, false);
    depend(1, -1, 256, false);
    use(PRIORITY_TREE);
    for (int i = 0; i < 3; i++)
        begin(i, 2);
    cr_assert_eq(next_frame(), 1);
    for (int i = 0; i < 3; i++)
        streams[i].s.node = NULL;
    use(PRIORITY_URGENCY);
    signal_priority(2, 2, false);
    frames_are("2 2 0 0 1");
}

// The naive answer, by the words of each order: does one go before another?
static bool goes_before(int a, int b)
{
    const struct priority_stream *s = &streams[a].s, *t = &streams[b].s;
    if (list.mode == PRIORITY_TREE) {
        struct priority_place p = priority_tree_place(s->node), q = priority_tree_place(t->node);
        if (p.depth != q.depth)
            return p.depth < q.depth;
        return p.share > q.share;
    }
    if (s->urgency != t->urgency)
        return s->urgency < t->urgency;
    if (s->incremental != t->incremental)
        return !s->incremental;
    return !s->incremental && s->id < t->id;
}

static void check_best(int i)
{
    for (int j = 0; j < STREAMS; j++)
        cr_assert(j == i || streams[j].frames == 0 || !goes_before(j, i), "%d before %d", i, j);
}

static void check_books(void)
{
    unsigned ready = 0;
    const struct priority_stream *last = NULL;
    list_each(it, &list.ready) {
        const struct priority_stream *s = container_of(it, struct priority_stream, link);
        ready++;
        if (!list.stale && last != NULL)
            cr_assert_not(goes_before(s->id / 2, last->id / 2));
        last = s;
    }
    for (int i = 0; i < STREAMS; i++) {
        ready -= streams[i].frames > 0;
        cr_assert(streams[i].frames == 0 || streams[i].deferred == streams[i].s.deferred);
    }
    cr_assert_eq(ready, 0);
}

static void something_said(int i)
{
    if (list.mode == PRIORITY_URGENCY)
        signal_priority(i, (uint8_t)(rand() % 8), rand() % 2);
    else
        depend(i, rand() % (STREAMS + 1) - 1, (uint16_t)(1 + rand() % 4 * 80), rand() % 3 == 0);
}

// A response begins or ends early, a signal comes, or nothing does.
static void something_happens(void)
{
    int i = rand() % STREAMS;
    switch (rand() % 6) {
    case 0:
        if (streams[i].frames == 0)
            begin(i, 1 + rand() % 5);
        break;
    case 1:
        something_said(i);
        break;
    case 2:
        priority_remove(&streams[i].s);
        streams[i].frames = 0;
        resume();
        break;
    default:
        break;
    }
}

static bool anybody(void)
{
    for (int i = 0; i < STREAMS; i++) {
        if (streams[i].frames > 0)
            return true;
    }
    return false;
}

static void play(int steps)
{
    for (int step = 0; step < steps; step++) {
        something_happens();
        check_books();
        if (rand() % 2 == 0)
            continue;
        bool some = anybody();
        int model[STREAMS];
        for (int i = 0; i < STREAMS; i++)
            model[i] = streams[i].frames;
        cursor = (unsigned)rand();
        int i = next_frame();
        cr_assert_eq(i < 0, !some, "step %d: somebody could send and nobody does", step);
        if (i >= 0) {
            streams[i].frames = model[i];
            check_best(i);
            streams[i].frames = model[i] - 1;
        }
        check_books();
    }
}

Test(priority_gate, whatever_happens_the_most_urgent_sends_and_nothing_is_lost)
{
    srand(9218);
    use(PRIORITY_URGENCY);
    play(200000);
}

Test(priority_gate, whatever_happens_the_first_of_the_tree_sends_and_nothing_is_lost)
{
    srand(7540);
    for (int i = 0; i < STREAMS; i++)
        open_in_tree(i);
    use(PRIORITY_TREE);
    play(100000);
}

Test(priority_gate, equals_are_served_as_often_as_each_other)
{
    int served[STREAMS] = {0};
    use(PRIORITY_URGENCY);
    for (int i = 0; i < 10; i++) {
        signal_priority(i, 3, true);
        begin(i, 1000);
    }
    signal_priority(20, 7, true);
    begin(20, 1);
    for (int n = 0; n < 1000; n++)
        served[next_frame()]++;
    for (int i = 0; i < 10; i++)
        cr_assert_eq(served[i], 100);
}
