// SPDX-License-Identifier: Apache-2.0
//
// Where copies lie, and what is left where it is. Most of it needs a machine with two nodes, which
// is what the lab has.
#include <numaif.h>

#include "test/unit/lib/file/replica_fixture.h"

TestSuite(replica_node, .init = store_up, .fini = store_down, .timeout = 60);

static bool has_node(int node)
{
    char path[64];

    snprintf(path, sizeof(path), "/sys/devices/system/node/node%d", node);
    return access(path, F_OK) == 0;
}

static void make_store_on(int node)
{
    struct replica_plan plan = {.node = node, .bytes = 2 * CHUNK};

    cr_assert_eq(replica_store_make(&store, &plan), 0);
}

static int make_file_on(int node, const char *name)
{
    unsigned long mask = 1ul << node;

    cr_assert_eq(set_mempolicy(MPOL_BIND, &mask, 64), 0);
    int fd = make_file(name, CHUNK, 1);
    cr_assert_eq(set_mempolicy(MPOL_DEFAULT, NULL, 0), 0);
    return fd;
}

Test(replica_node, what_lies_on_the_node_is_not_copied)
{
    if (!has_node(0))
        skip_test("a kernel without NUMA");
    int fd = make_file_on(0, "f");
    make_store_on(0);
    want(fd, 0, REPLICA_FREQUENT);
    work();
    cr_expect_eq(replica_counts(store).local, 1);
    cr_expect_eq(replica_counts(store).admitted, 0);
    want(fd, 0, 5);
    cr_expect_not(replica_work(store), "asked once, it is believed for a while");
    close(fd);
}

Test(replica_node, what_has_left_the_page_cache_is_not_read_again)
{
    if (!has_node(0))
        skip_test("a kernel without NUMA");
    int fd = make_file("f", CHUNK, 1);
    make_store_on(0);
    want(fd, 0, REPLICA_FREQUENT);
    evict_file(fd);
    work();
    cr_expect_eq(replica_counts(store).refused, 1);
    cr_expect_eq(replica_counts(store).admitted, 0);
    cr_expect_eq(resident(fd, 0, CHUNK), 0);
    close(fd);
}

// Which node the pages of a hit lie on, without the code under test.
static void expect_on_node(const struct replica_hit *hit, int node)
{
    enum { PAGES = 16 };
    void *pages[PAGES];
    int status[PAGES];
    volatile char *p = mmap(NULL, hit->len, PROT_READ, MAP_SHARED, hit->fd, (off_t)hit->off);

    cr_assert_neq((void *)p, MAP_FAILED);
    for (size_t i = 0; i < PAGES; i++) {
        pages[i] = (void *)(p + i * hit->len / PAGES);
        (void)*(volatile char *)pages[i];
    }
    cr_assert_eq(move_pages(0, PAGES, pages, NULL, status, 0), 0);
    for (size_t i = 0; i < PAGES; i++)
        cr_expect_eq(status[i], node, "page %zu is on %d", i, status[i]);
    munmap((void *)p, hit->len);
}

Test(replica_node, what_lies_elsewhere_is_copied_to_the_node)
{
    struct replica_hit hit;

    if (!has_node(1))
        skip_test("one node here");
    int fd = make_file_on(1, "f");
    make_store_on(0);
    admit(fd, 0);
    cr_assert(get(fd, 0, CHUNK, &hit));
    expect_on_node(&hit, 0);
    check_hit(&hit, 0, 1);
    replica_put(store, &hit, 0);
    close(fd);
}

// The thread that copies runs anywhere; the policy is the memory's.
Test(replica_node, copies_lie_on_their_node_whoever_makes_them)
{
    struct replica_hit hit;
    unsigned long zero = 1;

    if (!has_node(1))
        skip_test("one node here");
    int fd = make_file_on(0, "f");
    make_store_on(1);
    cr_assert_eq(set_mempolicy(MPOL_BIND, &zero, 64), 0);
    admit(fd, 0);
    cr_assert_eq(set_mempolicy(MPOL_DEFAULT, NULL, 0), 0);
    cr_assert(get(fd, 0, CHUNK, &hit));
    expect_on_node(&hit, 1);
    replica_put(store, &hit, 0);
    close(fd);
}

// For a test outside, which looks at the store itself (test/lab/guest/test_replica.py): makes
// a copy of $REPLICA_FILE on $REPLICA_NODE, creates the file $REPLICA_READY, and stays until
// that is removed again.
Test(replica_node, a_copy_to_be_looked_at_from_outside)
{
    const char *file = getenv("REPLICA_FILE"), *node = getenv("REPLICA_NODE");
    const char *ready = getenv("REPLICA_READY");

    if (file == NULL || node == NULL || ready == NULL)
        skip_test("nobody looks");
    int fd = open(file, O_RDONLY);
    cr_assert_geq(fd, 0);
    make_store_on(atoi(node));
    admit(fd, 0);
    close(creat(ready, 0644));
    for (int i = 0; i < 600 && access(ready, F_OK) == 0; i++)
        usleep(50000);
    close(fd);
}
