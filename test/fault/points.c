// SPDX-License-Identifier: Apache-2.0
#include "test/fault/points.h"

#include <criterion/criterion.h>

#include "test/fault/client.h"
#include "test/fault/scenes.h"

// Enough calls that a response has a middle, few enough that each can be tried.
#define PIECE 3000
#define PIECE_BIG 60000

struct fault points_pieces(const struct scene *s)
{
    return (struct fault){.calls = FAULT_SENDS, .most = s->big ? PIECE_BIG : PIECE};
}

void points_pass(const struct scene *s, int err)
{
    struct fault rest = points_pieces(s);

    for (unsigned n = 0; n < 1000; n++) {
        struct fault f = {.calls = FAULT_SENDS, .skip = n, .count = 1, .err = err};
        faults_order(&f, &rest);
        scene_play(s);
        if (faults_end() == 0) {
            cr_assert_gt(n, 0);
            return;
        }
    }
    cr_assert_fail("%s never ends", s->name);
}

void points_miss(const char *const *names, size_t count, int err)
{
    for (size_t i = 0; i < count; i++) {
        unsigned n = 0, hits = 1;
        for (; hits != 0; n++) {
            fault_order(&(struct fault){.calls = FAULT_PREADV2, .skip = n, .count = 1,
                                        .err = err});
            scene_play(scene_find(names[i]));
            hits = faults_end();
        }
        cr_assert_gt(n, 1);
    }
}

// The client gets what was sent before, and the end of the connection.
static bool break_at(const struct scene *s, unsigned n, int err, const struct bytes *expected)
{
    struct fault f = {.calls = FAULT_SENDS, .skip = n, .err = err}, rest = points_pieces(s);
    bool tls = fixture_tls() != FIXTURE_PLAIN;

    faults_order(&f, &rest);
    struct bytes got = client_fetch(s->request);
    bool broken = faults_end() != 0;
    if (broken) {
        bytes_expect_prefix(&got, expected, s->name);
        cr_assert(got.n < expected->n || tls);
    } else {
        bytes_expect(&got, expected, s->name);
    }
    cr_assert(!tls || got.unclean == broken, "%s: %s clean end", s->name, broken ? "a" : "no");
    bytes_free(&got);
    return broken;
}

unsigned points_break(const struct scene *s, int err)
{
    struct bytes expected = scene_expected(s);
    unsigned n = 0;

    while (break_at(s, n, err, &expected))
        cr_assert_lt(++n, 1000, "%s never ends", s->name);
    bytes_free(&expected);
    return n;
}
