// SPDX-License-Identifier: Apache-2.0
#include "server/limits/table.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/unit/server/limits/table_fixture.h"

TestSuite(limit_table, .init = map, .fini = unmap);

// Keys of all lengths: "0007xxxx..." of n bytes.
static struct sv key_of(unsigned number, size_t n)
{
    static char text[UINT16_MAX + 8];

    memset(text, 'x', n);
    snprintf(text, sizeof(text), "%04u", number);
    if (n > 4)
        text[4] = 'x';
    return sv_of(text, n);
}

static struct limit_node *add(struct sv key, int64_t excess)
{
    union limit_value value = {.rate = {.excess = excess}};

    return limit_table_add(t, limit_hash(key), key, &value);
}

static struct limit_node *find(struct sv key)
{
    return limit_table_find(t, limit_hash(key), key, NULL);
}

// Every link agrees with every other, and no block is lost or used twice.
static void assert_sound(void)
{
    uint32_t nodes = 0, mores = 0, listed = 0, free_blocks = 0, chained = 0, newer = 0;

    for (uint32_t i = 1; i < t->blocks; i++) {
        const struct limit_node *n =
            (const struct limit_node *)((const char *)t + t->first_block) + i;
        nodes += n->state == LIMIT_BLOCK_NODE;
        mores += n->state == LIMIT_BLOCK_MORE;
        cr_assert_neq(n->state, LIMIT_BLOCK_LOST);
    }
    for (uint32_t at = t->newest; at != 0; listed++) {
        struct limit_node *n = limit_table_at(t, at);
        cr_assert_not_null(n, "the order of use names a block that is no node");
        cr_assert_eq(n->newer, newer);
        newer = at;
        at = n->older;
        cr_assert_leq(listed, t->blocks);
    }
    cr_assert_eq(t->oldest, newer);
    for (uint32_t b = 0; b <= t->bucket_mask; b++) {
        for (uint32_t at = t->bucket[b]; at != 0; chained++) {
            struct limit_node *n = limit_table_at(t, at);
            cr_assert_not_null(n, "a bucket names a block that is no node");
            cr_assert_eq(n->hash & t->bucket_mask, b);
            at = n->next;
        }
    }
    for (uint32_t at = t->free; at != 0; free_blocks++)
        at = ((const struct limit_node *)((const char *)t + t->first_block))[at].next;
    cr_assert_eq(listed, nodes);
    cr_assert_eq(chained, nodes);
    cr_assert_eq(t->used, nodes + mores);
    cr_assert_eq(free_blocks + t->used, t->blocks - 1);
}

Test(limit_table, finds_what_was_added_and_nothing_else)
{
    limit_table_lock(t);
    struct limit_node *a = add(SV("alpha"), 1), *b = add(SV("beta"), 2);
    cr_assert_eq(find(SV("alpha")), a);
    cr_assert_eq(find(SV("beta")), b);
    cr_assert_null(find(SV("alph")));
    cr_assert_null(find(SV("alphaa")));
    cr_assert_eq(a->value.rate.excess, 1);
    limit_table_remove(t, a);
    cr_assert_null(find(SV("alpha")));
    cr_assert_eq(find(SV("beta")), b);
    assert_sound();
    limit_table_unlock(t);
}

Test(limit_table, keys_of_every_length_around_the_block_edges_are_compared_whole)
{
    static const size_t lengths[] = {5, 23, 24, 25, 79, 80, 81, 136, 137, 255, 4000};

    limit_table_lock(t);
    for (size_t i = 0; i < array_len(lengths); i++) {
        struct sv key = key_of(1, lengths[i]);
        struct limit_node *n = add(key, 0);
        cr_assert_not_null(n);
        cr_assert_eq(find(key), n);
        ((char *)(uintptr_t)key.p)[lengths[i] - 1] = 'y';
        cr_assert_null(find(key), "the last of %zu bytes was not looked at", lengths[i]);
    }
    assert_sound();
    limit_table_unlock(t);
}

Test(limit_table, removing_a_long_key_gives_all_its_blocks_back)
{
    limit_table_lock(t);
    struct limit_node *n = add(key_of(1, 4000), 0);
    cr_assert_gt(t->used, 70);
    limit_table_remove(t, n);
    cr_assert_eq(t->used, 0);
    assert_sound();
    limit_table_unlock(t);
}

Test(limit_table, is_full_only_when_the_blocks_are_used_and_can_be_used_again)
{
    unsigned n = 0;

    limit_table_lock(t);
    while (add(key_of(n, 20), 0) != NULL)
        n++;
    cr_assert_eq(n, t->blocks - 1);
    cr_assert_gt(n, SIZE / LIMIT_BLOCK * 9 / 10);
    assert_sound();
    limit_table_remove(t, limit_table_oldest(t));
    cr_assert_null(find(key_of(0, 20)));
    cr_assert_not_null(find(key_of(1, 20)));
    // One free block does not hold a key of two.
    cr_assert_null(add(key_of(9999, 30), 0));
    cr_assert_not_null(add(key_of(9999, 20), 0));
    assert_sound();
    limit_table_unlock(t);
}

Test(limit_table, the_oldest_is_the_one_not_touched_for_longest)
{
    limit_table_lock(t);
    struct limit_node *a = add(SV("a"), 0), *b = add(SV("b"), 0), *c = add(SV("c"), 0);
    cr_assert_eq(limit_table_oldest(t), a);
    limit_table_touch(t, a);
    cr_assert_eq(limit_table_oldest(t), b);
    limit_table_touch(t, b);
    cr_assert_eq(limit_table_oldest(t), c);
    limit_table_touch(t, b);
    limit_table_remove(t, c);
    cr_assert_eq(limit_table_oldest(t), a);
    assert_sound();
    limit_table_unlock(t);
}

Test(limit_table, a_key_may_be_there_more_than_once)
{
    struct sv key = SV("same");

    limit_table_lock(t);
    struct limit_node *a = add(key, 1), *b = add(key, 2);
    struct limit_node *first = find(key);
    struct limit_node *second = limit_table_find(t, limit_hash(key), key, first);
    cr_assert((first == a && second == b) || (first == b && second == a));
    cr_assert_null(limit_table_find(t, limit_hash(key), key, second));
    limit_table_unlock(t);
}

Test(limit_table, a_block_number_that_is_no_node_gives_nothing)
{
    limit_table_lock(t);
    struct limit_node *n = add(key_of(1, 100), 0);
    uint32_t number = limit_table_number(t, n);
    cr_assert_eq(limit_table_at(t, number), n);
    cr_assert_null(limit_table_at(t, 0));
    cr_assert_null(limit_table_at(t, n->more));
    cr_assert_null(limit_table_at(t, t->blocks));
    limit_table_remove(t, n);
    cr_assert_null(limit_table_at(t, number));
    limit_table_unlock(t);
}

static void wait_for(pid_t child)
{
    int status;

    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

// As a process that is killed while it changes links: none of them can be trusted.
static _Noreturn void die_with_broken_links(void)
{
    limit_table_lock(t);
    t->newest = t->oldest = 7;
    t->free = t->blocks + 1000;
    t->used = 12345;
    memset(t->bucket, 0x5a, (t->bucket_mask + 1) * sizeof(t->bucket[0]));
    raise(SIGKILL);
    _exit(1);
}

Test(limit_table, whole_nodes_survive_a_process_that_died_with_the_lock)
{
    limit_table_lock(t);
    for (unsigned i = 0; i < 100; i++)
        cr_assert_not_null(add(key_of(i, 20 + i), i));
    limit_table_remove(t, find(key_of(50, 70)));
    limit_table_unlock(t);
    pid_t child = fork();
    if (child == 0)
        die_with_broken_links();
    wait_for(child);
    limit_table_lock(t);
    cr_assert_eq(t->repairs, 1);
    assert_sound();
    for (unsigned i = 0; i < 100; i++) {
        struct limit_node *n = find(key_of(i, 20 + i));
        cr_assert_eq(n != NULL, i != 50, "key %u", i);
        cr_assert(n == NULL || n->value.rate.excess == i);
    }
    cr_assert_not_null(add(SV("and goes on"), 0));
    limit_table_unlock(t);
    limit_table_lock(t);
    cr_assert_eq(t->repairs, 1);
    limit_table_unlock(t);
}

static _Noreturn void die_with_half_a_key(void)
{
    limit_table_lock(t);
    struct limit_node *n = find(SV("victim"));
    n->key_len = 200; // says that there is more, and there is not
    n->more = t->blocks + 5;
    raise(SIGKILL);
    _exit(1);
}

Test(limit_table, a_node_whose_key_is_not_whole_is_given_up)
{
    limit_table_lock(t);
    add(SV("victim"), 0);
    add(SV("bystander"), 0);
    limit_table_unlock(t);
    pid_t child = fork();
    if (child == 0)
        die_with_half_a_key();
    wait_for(child);
    limit_table_lock(t);
    cr_assert_eq(t->repairs, 1);
    cr_assert_null(find(SV("victim")));
    cr_assert_not_null(find(SV("bystander")));
    assert_sound();
    limit_table_unlock(t);
}

static _Noreturn void churn(unsigned seed)
{
    srand(seed);
    for (;;) {
        struct sv key = key_of((unsigned)rand() % 64, 10 + (size_t)rand() % 300);

        limit_table_lock(t);
        struct limit_node *n = find(key);
        if (n != NULL && rand() % 2 != 0)
            limit_table_remove(t, n);
        else if (n != NULL)
            limit_table_touch(t, n);
        else if (add(key, 1) == NULL)
            limit_table_remove(t, limit_table_oldest(t));
        limit_table_unlock(t);
    }
}

Test(limit_table, is_sound_after_processes_were_killed_at_any_point, .timeout = 60)
{
    unsigned repairs = 0;

    for (unsigned round = 0; round < 200; round++) {
        pid_t child = fork();
        if (child == 0)
            churn(round);
        usleep(1000 + round * 13 % 700);
        kill(child, SIGKILL);
        wait_for(child);
        limit_table_lock(t);
        assert_sound();
        repairs = t->repairs;
        limit_table_unlock(t);
    }
    cr_assert_gt(repairs, 0, "no process was killed while it had the lock");
}
