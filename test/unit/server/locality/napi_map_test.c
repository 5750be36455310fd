// SPDX-License-Identifier: Apache-2.0
#include "server/locality/napi_map.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

TestSuite(napi_map, .timeout = 20);

static struct napi_map *map;

static int asked;

static int answer(uint32_t id, void *ctx)
{
    (void)ctx;
    asked++;
    return id % 10 == 9 ? NAPI_LEARN : id % 10 == 8 ? NAPI_UNKNOWN : (int)(id % 2);
}

static void setup(void)
{
    map = calloc(1, sizeof(*map));
    asked = 0;
}

static void teardown(void)
{
    free(map);
}

static int node_of(uint32_t id, int cpu_node)
{
    bool ask;

    return napi_map_node(map, id, cpu_node, &ask);
}

Test(napi_map, no_id_is_the_cpu_s_node, .init = setup, .fini = teardown)
{
    bool ask = true;

    cr_assert_eq(napi_map_node(map, 0, 1, &ask), 1);
    cr_assert(!ask);
    cr_assert_eq(napi_map_node(map, 0, -1, &ask), -1);
}

Test(napi_map, what_is_told_beforehand_is_not_asked, .init = setup, .fini = teardown)
{
    bool ask = true;

    napi_map_set(map, 8191, 1);
    napi_map_set(map, 8192, NAPI_UNKNOWN);
    napi_map_set(map, 0, 1);
    cr_assert_eq(napi_map_node(map, 8191, 0, &ask), 1);
    cr_assert(!ask);
    cr_assert_eq(napi_map_node(map, 8192, 0, &ask), 0, "the CPU's");
    cr_assert(!ask);
    cr_assert_eq(napi_map_node(map, 0, 0, &ask), 0);
    napi_map_answer(map, answer, NULL);
    cr_assert_eq(asked, 0);
    napi_map_forget(map);
    napi_map_set(map, 8191, 0);
    napi_map_answer(map, answer, NULL);
    cr_assert_eq(asked, 1, "of the other alone");
    cr_assert_eq(node_of(8191, 1), 0);
}

Test(napi_map, a_new_id_asks_once_and_is_learned_meanwhile, .init = setup, .fini = teardown)
{
    bool ask = false;

    cr_assert_eq(napi_map_node(map, 8191, 0, &ask), 0);
    cr_assert(ask);
    cr_assert_eq(napi_map_node(map, 8191, 0, &ask), 0);
    cr_assert(!ask);
    napi_map_answer(map, answer, NULL);
    cr_assert_eq(asked, 1);
    cr_assert_eq(node_of(8191, 0), 1, "the interface's node, whatever CPU it was");
    napi_map_answer(map, answer, NULL);
    cr_assert_eq(asked, 1);
}

Test(napi_map, the_majority_of_cpus_is_believed_where_the_kernel_cannot_tell, .init = setup,
     .fini = teardown)
{
    cr_assert_eq(node_of(19, 3), 3);
    napi_map_answer(map, answer, NULL);
    for (int i = 0; i < 20; i++)
        node_of(19, 1);
    cr_assert_eq(node_of(19, 3), 1, "one packet that went elsewhere changes nothing");
    cr_assert_eq(node_of(18, 2), 2);
    napi_map_answer(map, answer, NULL);
    cr_assert_eq(node_of(18, 2), 2, "an interface without a node");
    cr_assert_eq(node_of(29, -1), -1);
    cr_assert_eq(node_of(29, NAPI_MAP_NODES), NAPI_MAP_NODES, "too high to be learned");
}

Test(napi_map, interfaces_that_changed_are_asked_anew, .init = setup, .fini = teardown)
{
    node_of(5, 0);
    napi_map_answer(map, answer, NULL);
    cr_assert_eq(node_of(5, 0), 1);
    napi_map_forget(map);
    cr_assert_eq(node_of(5, 0), 0);
    napi_map_answer(map, answer, NULL);
    cr_assert_eq(asked, 2);
    cr_assert_eq(node_of(5, 0), 1);
}

Test(napi_map, a_full_table_falls_back_to_the_cpu, .init = setup, .fini = teardown)
{
    for (uint32_t id = 1; id <= 4 * NAPI_MAP_SIZE; id++)
        cr_assert_eq(node_of(id, 1), 1);
    napi_map_answer(map, answer, NULL);
    cr_assert_leq(asked, NAPI_MAP_SIZE);
    cr_assert_eq(node_of(UINT32_MAX, 0), 0);
}

static _Atomic int running = 3;

static void *look_up(void *ctx)
{
    (void)ctx;
    for (uint32_t i = 0; i < 200000; i++) {
        int node = node_of(1 + i % 500, (int)(i % 2));
        cr_assert(node == 0 || node == 1);
    }
    running--;
    return NULL;
}

Test(napi_map, many_threads_look_up_while_one_answers, .init = setup, .fini = teardown)
{
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, look_up, NULL), 0);
    for (unsigned turns = 0; running != 0; turns++) {
        napi_map_answer(map, answer, NULL);
        if (turns % 50 == 0)
            napi_map_forget(map);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    napi_map_answer(map, answer, NULL);
    cr_assert_gt(asked, 0);
}
