// SPDX-License-Identifier: Apache-2.0
//
// The dependency tree: the examples of RFC 7540, 5.3, and a long random play against a naive
// implementation, which knows nothing but each stream's parent and weight.
#include "server/http2/priority_tree.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct priority_tree *tree;
static struct priority_node *nodes[1000]; // of open streams, by number

static void setup(void)
{
    tree = priority_tree_new();
    cr_assert_not_null(tree);
    memset(nodes, 0, sizeof(nodes));
}

static void teardown(void)
{
    priority_tree_free(tree);
}

TestSuite(priority_tree, .init = setup, .fini = teardown);

static void open_stream(int id)
{
    nodes[id] = priority_tree_open(tree, id);
    cr_assert_not_null(nodes[id]);
}

static bool close_stream(int id)
{
    bool changed = priority_tree_close(tree, nodes[id]);
    nodes[id] = NULL;
    return changed;
}

static void set(int id, int depends, unsigned weight, bool exclusive)
{
    priority_tree_set(tree, id, &(struct priority_wish){depends, (uint16_t)weight, exclusive});
}

static int depth(int id)
{
    return priority_tree_place(nodes[id]).depth;
}

static double share(int id)
{
    return priority_tree_place(nodes[id]).share;
}

// Streams 1 to `n`, odd ones, each depending on what the text says: "0 1 1".
static void open_with(const char *parents)
{
    int id = 1;
    for (const char *p = parents; *p != '\0'; p += p[1] == ' ' ? 2 : 1, id += 2) {
        open_stream(id);
        set(id, *p - '0', 16, false);
    }
}

Test(priority_tree, a_stream_nobody_spoke_of_has_the_default_place)
{
    open_stream(1);
    cr_assert_eq(depth(1), 1);
    cr_assert_eq(share(1), 16 / 256.0);
    struct priority_place none = priority_tree_place(NULL);
    cr_assert(none.depth == 1 && none.share == 16 / 256.0, "and so has one without a node");
}

Test(priority_tree, the_share_is_the_product_of_the_weights_on_the_way)
{
    open_with("0 1 3");
    set(1, 0, 256, false);
    set(3, 1, 128, false);
    set(5, 3, 64, false);
    cr_assert_eq(depth(5), 3);
    cr_assert_eq(share(5), 0.5 * 0.25);
    set(1, 0, 64, false);
    cr_assert_eq(share(5), 0.25 * 0.5 * 0.25, "what is above changes what is below");
}

Test(priority_tree, an_exclusive_dependency_goes_between)
{
    open_with("0 1 1 0");
    set(7, 1, 16, true);
    cr_assert(depth(7) == 2 && depth(3) == 3 && depth(5) == 3);
    open_stream(9);
    set(9, 0, 16, true);
    cr_assert(depth(9) == 1 && depth(1) == 2 && depth(3) == 4, "and between all and the root");
}

Test(priority_tree, what_is_said_again_does_not_make_a_stream_its_own_child)
{
    open_with("0 1");
    for (int i = 0; i < 3; i++)
        set(3, 1, 16, true);
    cr_assert(depth(1) == 1 && depth(3) == 2);
}

// RFC 7540, 5.3.3: A with B, C; C with D, E; D with F. A is to depend on D.
Test(priority_tree, a_loop_is_broken_as_in_the_example_of_the_rfc)
{
    enum { A = 1, B = 3, C = 5, D = 7, E = 9, F = 11 };
    open_with("0 1 1 5 5 7");
    set(A, D, 16, false);
    cr_assert(depth(D) == 1 && depth(F) == 2 && depth(A) == 2);
    cr_assert(depth(B) == 3 && depth(C) == 3 && depth(E) == 4);
}

Test(priority_tree, an_exclusive_loop_is_broken_as_in_the_example_of_the_rfc)
{
    enum { A = 1, B = 3, C = 5, D = 7, E = 9, F = 11 };
    open_with("0 1 1 5 5 7");
    set(A, D, 16, true);
    cr_assert(depth(D) == 1 && depth(A) == 2);
    cr_assert(depth(B) == 3 && depth(C) == 3 && depth(F) == 3 && depth(E) == 4);
}

Test(priority_tree, a_stream_that_depends_on_itself_is_passed_over)
{
    open_with("0 1");
    set(3, 3, 256, true);
    cr_assert(depth(3) == 2 && share(3) == 16.0 * 16 / 65536);
}

Test(priority_tree, a_dependency_on_an_unknown_stream_is_one_on_none_and_never_exclusive)
{
    open_with("0 1");
    set(3, 99, 32, true);
    cr_assert(depth(3) == 1 && share(3) == 32 / 256.0);
    cr_assert_eq(depth(1), 1);
}

Test(priority_tree, what_was_said_of_an_idle_stream_counts_when_it_opens)
{
    set(1, 3, 100, false);
    set(3, 0, 200, false);
    set(1, 3, 100, false);
    open_stream(1);
    open_stream(3);
    cr_assert(depth(1) == 2 && share(1) == 200.0 * 100 / 65536);
    cr_assert_eq(priority_tree_kept(tree), 0);
}

Test(priority_tree, a_stream_that_is_over_keeps_its_place_for_a_while)
{
    open_with("0 1 3");
    cr_assert_not(close_stream(3));
    cr_assert_eq(depth(5), 3);
    for (int id = 101; id < 101 + 2 * TREE_KEPT; id += 2) {
        open_stream(id);
        cr_assert_eq(close_stream(id), id == 99 + 2 * TREE_KEPT, "%d", id);
    }
    cr_assert_eq(depth(5), 2, "it was the oldest");
    cr_assert_eq(priority_tree_kept(tree), TREE_KEPT);
}

Test(priority_tree, those_that_depended_on_a_forgotten_stream_share_its_weight)
{
    open_with("0 1 1 1");
    set(1, 0, 100, false);
    set(3, 1, 30, false);
    set(5, 1, 10, false);
    set(7, 1, 1, false);
    close_stream(1);
    for (int id = 101; depth(3) == 2; id += 2) {
        open_stream(id);
        close_stream(id);
    }
    cr_assert_eq(share(3), 100 * 30 / 41 / 256.0);
    cr_assert_eq(share(5), 100 * 10 / 41 / 256.0);
    cr_assert_eq(share(7), 100 * 1 / 41 / 256.0);
}

Test(priority_tree, nodes_are_bounded_whatever_the_client_says)
{
    open_with("0 1 3");
    for (int id = 101; id < 100001; id += 2) {
        set(id, id - 2, 1, id % 4 == 1);
        cr_assert(priority_tree_kept(tree) <= TREE_KEPT);
        cr_assert(priority_tree_nodes(tree) <= 3 + TREE_KEPT);
    }
}

Test(priority_tree, what_is_depended_on_is_not_forgotten_for_the_sake_of_what_depends)
{
    for (int id = 1; id <= 2 * TREE_KEPT; id += 2)
        set(id, 0, 16, false);
    set(201, 1, 16, false); // 1 is the oldest, and a node is needed
    open_stream(201);
    cr_assert_eq(depth(201), 2);
}

Test(priority_tree, a_place_is_found_in_bounded_time_however_deep_it_is)
{
    open_stream(1);
    for (int id = 3; id < 999; id += 2) {
        open_stream(id);
        set(id, id - 2, 256, false);
    }
    cr_assert_eq(depth(2 * TREE_DEPTH_MAX - 1), TREE_DEPTH_MAX);
    cr_assert_eq(depth(997), TREE_DEPTH_MAX);
}

// The naive implementation.

#define MODEL_STREAMS 60

static struct {
    bool known, open;
    int parent; // index; -1: the root
    unsigned weight;
    unsigned spoken; // when
} model[MODEL_STREAMS];

static unsigned now;

static int id_at(int i)
{
    return 2 * i + 1;
}

static bool model_below(int i, int other)
{
    while (i >= 0 && i != other)
        i = model[i].parent;
    return i >= 0;
}

static void model_forget(int gone)
{
    unsigned sum = 0;
    for (int i = 0; i < MODEL_STREAMS; i++)
        sum += model[i].known && model[i].parent == gone ? model[i].weight : 0;
    for (int i = 0; i < MODEL_STREAMS; i++) {
        if (!model[i].known || model[i].parent != gone)
            continue;
        model[i].weight = model[gone].weight * model[i].weight / sum;
        model[i].weight += model[i].weight == 0;
        model[i].parent = model[gone].parent;
    }
    model[gone].known = false;
}

static void model_bound(void)
{
    int kept = 0, oldest = -1;
    for (int i = 0; i < MODEL_STREAMS; i++) {
        if (!model[i].known || model[i].open)
            continue;
        kept++;
        if (oldest < 0 || model[i].spoken < model[oldest].spoken)
            oldest = i;
    }
    if (kept > TREE_KEPT)
        model_forget(oldest);
}

static void model_know(int i)
{
    if (model[i].known)
        return;
    model[i].known = true;
    model[i].open = false;
    model[i].parent = -1;
    model[i].weight = 16;
}

static void model_set(int i, int on, unsigned weight, bool exclusive)
{
    if (i == on)
        return;
    bool unknown = on >= 0 && !model[on].known;
    int parent = unknown ? -1 : on;
    if (parent >= 0)
        model[parent].spoken = ++now;
    model_know(i);
    model[i].spoken = ++now;
    model_bound();
    if (parent >= 0 && model_below(parent, i))
        model[parent].parent = model[i].parent;
    for (int k = 0; exclusive && !unknown && k < MODEL_STREAMS; k++) {
        if (k != i && model[k].known && model[k].parent == parent)
            model[k].parent = i;
    }
    model[i].parent = parent;
    model[i].weight = weight;
}

static struct priority_place model_place(int i)
{
    struct priority_place place = {.share = 1};
    for (; i >= 0; i = model[i].parent) {
        place.depth++;
        place.share *= model[i].weight / 256.0;
    }
    return place;
}

static void check_alike(int step)
{
    unsigned known = 0;
    for (int i = 0; i < MODEL_STREAMS; i++) {
        known += model[i].known;
        if (!model[i].open)
            continue;
        struct priority_place want = model_place(i), got = priority_tree_place(nodes[id_at(i)]);
        cr_assert(want.depth == got.depth && want.share == got.share,
                  "step %d, stream %d: %u %g, not %u %g", step, i, want.depth, want.share,
                  got.depth, got.share);
    }
    cr_assert_eq(known, priority_tree_nodes(tree));
}

static void toggle(int i)
{
    if (model[i].known && model[i].open) {
        model[i].open = false;
        model[i].spoken = ++now;
        model_bound();
        close_stream(id_at(i));
        return;
    }
    model_know(i);
    model[i].open = true;
    open_stream(id_at(i));
}

Test(priority_tree, whatever_is_said_it_equals_a_naive_implementation)
{
    srand(7540);
    for (int step = 0; step < 200000; step++) {
        int i = rand() % MODEL_STREAMS, on = rand() % (MODEL_STREAMS + 1) - 1;
        unsigned weight = 1 + (unsigned)rand() % 256;
        bool exclusive = rand() % 3 == 0;
        if (rand() % 4 == 0) {
            toggle(i);
        } else {
            model_set(i, on, weight, exclusive);
            set(id_at(i), on < 0 ? 0 : id_at(on), weight, exclusive);
        }
        check_alike(step);
    }
}
