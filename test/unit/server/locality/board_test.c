// SPDX-License-Identifier: Apache-2.0
//
// Who gets a connection, and that nobody leaves while one is on its way.
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/locality/board.h"

TestSuite(board, .timeout = 30);

static int least(const struct board *b, unsigned first, unsigned count, int self)
{
    return board_least(b, &(struct board_choice){.first = first, .count = count, .self = self});
}

static struct board *open_board(unsigned count, const uint32_t *loads)
{
    struct board *b = board_make(count);

    cr_assert_not_null(b);
    for (unsigned i = 0; i < count; i++) {
        board_open(&b->rows[i], false);
        board_set_load(&b->rows[i], loads[i]);
    }
    return b;
}

Test(board, a_new_one_is_closed)
{
    struct board *b = board_make(3);

    cr_assert_eq(least(b, 0, 3, 1), -1);
    cr_assert(!board_begin(&b->rows[0]));
    cr_assert(board_quiet(&b->rows[0]), "a refused hand-over is not counted");
    board_free(b);
}

Test(board, the_fewest_connections_win_among_the_open)
{
    struct board *b = open_board(5, (uint32_t[]){1, 90, 40, 70, 2});

    cr_assert_eq(least(b, 1, 3, -1), 2);
    cr_assert_eq(least(b, 0, 5, -1), 0);
    board_close(&b->rows[0]);
    cr_assert_eq(least(b, 0, 5, -1), 4);
    cr_assert_eq(least(b, 3, 9, -1), 4, "a range beyond the end is cut");
    board_free(b);
}

Test(board, a_small_difference_is_not_worth_a_hand_over)
{
    struct board *b = open_board(2, (uint32_t[]){2, 0});

    cr_assert_eq(least(b, 0, 2, 0), 0);
    board_set_load(&b->rows[0], 3);
    cr_assert_eq(least(b, 0, 2, 0), 1);
    board_set_load(&b->rows[1], 100);
    board_set_load(&b->rows[0], 127);
    cr_assert_eq(least(b, 0, 2, 0), 0);
    board_set_load(&b->rows[0], 128);
    cr_assert_eq(least(b, 0, 2, 0), 1);
    board_close(&b->rows[0]);
    board_set_load(&b->rows[0], 0);
    cr_assert_eq(least(b, 0, 2, 0), 1, "a closed one does not win for being at hand");
    board_free(b);
}

Test(board, only_a_group_is_chosen_from_where_one_is_asked_for)
{
    struct board *b = open_board(4, (uint32_t[]){50, 9, 0, 20});
    const int16_t groups[] = {1, 2, 2, 1};
    struct board_choice among = {.count = 4, .groups = groups, .group = 1, .self = 2};

    cr_assert_eq(board_least(b, &among), 3, "the fewest are elsewhere, and so is self");
    board_close(&b->rows[3]);
    cr_assert_eq(board_least(b, &among), 0);
    among.group = 7;
    cr_assert_eq(board_least(b, &among), -1);
    board_free(b);
}

Test(board, expected_connections_count_until_the_owner_speaks)
{
    struct board *b = open_board(2, (uint32_t[]){0, 0});

    for (int i = 0; i < 5; i++)
        board_expect(&b->rows[0]);
    cr_assert_eq(least(b, 0, 2, -1), 1);
    board_set_load(&b->rows[0], 0);
    board_expect(&b->rows[1]);
    cr_assert_eq(least(b, 0, 2, -1), 0);
    board_free(b);
}

Test(board, who_died_in_the_midst_of_it_is_forgotten_where_nobody_else_can_be)
{
    struct board *b = open_board(1, (uint32_t[]){0});

    cr_assert(board_begin(&b->rows[0]));
    board_open(&b->rows[0], false);
    cr_assert_not(board_quiet(&b->rows[0]));
    board_open(&b->rows[0], true);
    cr_assert(board_quiet(&b->rows[0]));
    board_free(b);
}

Test(board, it_is_shared_with_children)
{
    struct board *b = open_board(1, (uint32_t[]){0});
    pid_t pid = fork();

    if (pid == 0) {
        board_close(&b->rows[0]);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    cr_assert(!board_begin(&b->rows[0]));
    board_free(b);
}

// The race that the protocol is for: four senders against one that opens, closes and counts.
struct race {
    struct board_row *row;
    _Atomic unsigned inbox, given;
    _Atomic bool over;
};

static void *give(void *ctx)
{
    struct race *r = ctx;

    while (!r->over) {
        if (!board_begin(r->row)) {
            sched_yield();
            continue;
        }
        r->given++;
        r->inbox++;
        board_done(r->row);
    }
    return NULL;
}

Test(board, nothing_comes_after_the_leaver_has_seen_quiet, .timeout = 60)
{
    struct board *b = open_board(1, (uint32_t[]){0});
    struct race r = {.row = &b->rows[0]};
    pthread_t senders[4];
    unsigned taken = 0;

    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&senders[i], NULL, give, &r), 0);
    // The senders may be slow to start.
    for (int round = 0; round < 500 || taken == 0; round++) {
        board_open(r.row, false);
        sched_yield();
        board_close(r.row);
        while (!board_quiet(r.row))
            sched_yield();
        taken += atomic_exchange(&r.inbox, 0);
        sched_yield();
        cr_assert_eq(r.inbox, 0, "round %d: a connection came after the end", round);
    }
    r.over = true;
    for (int i = 0; i < 4; i++)
        pthread_join(senders[i], NULL);
    cr_assert_eq(taken, r.given);
    board_free(b);
}
