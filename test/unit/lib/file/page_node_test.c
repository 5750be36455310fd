// SPDX-License-Identifier: Apache-2.0
//
// Sampling nodes: what is told about resident pages, and above all that nothing is read.
#include <linux/mman.h>
#include <numaif.h>

#include "lib/base/sys.h"
#include "lib/file/page_node.h"
#include "test/unit/lib/file/pages_fixture.h"

#define SIZE (4 * MIB)
#define NOBODY 65534

static int fd;
static struct page_nodes nodes;
static struct sys_calls fake;

static void setup(void)
{
    make_dir();
    fd = make_file("f", SIZE, 1);
    fake = sys_default;
    sys = &fake;
    if (page_node_sample(fd, 0, SIZE, 1, &nodes) == -ENOSYS)
        skip_test("a kernel without NUMA");
}

static void teardown(void)
{
    close(fd);
    remove_dir();
}

TestSuite(page_node, .init = setup, .fini = teardown, .timeout = 30);

static int refused_cachestat(int f, struct cachestat_range *range, struct cachestat *st,
                             unsigned flags)
{
    (void)f;
    (void)range;
    (void)st;
    (void)flags;
    errno = EPERM;
    return -1;
}

static int fstat_of_more(int f, struct stat *st)
{
    int rc = fstat(f, st);

    st->st_size *= 4;
    return rc;
}

// A file of root's, looked at by somebody else.
static void become_nobody(void)
{
    if (geteuid() != 0)
        skip_test("only root can become somebody else");
    cr_assert_eq(seteuid(NOBODY), 0);
}

static void become_root(void)
{
    cr_assert_eq(seteuid(0), 0);
}

static bool cachestat_tells_nobody(void)
{
    struct cachestat_range range = {0, 1};
    struct cachestat st;

    return sys->cachestat(fd, &range, &st, 0) == 0;
}

// Half of the pages, with no read-ahead beyond them.
static void read_first_half(void)
{
    char byte;

    cr_assert_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
    for (uint64_t off = 0; off < SIZE / 2; off += PAGE)
        cr_assert_eq(pread(fd, &byte, 1, (off_t)off), 1);
}

Test(page_node, resident_pages_are_on_a_node)
{
    cr_assert_eq(page_node_sample(fd, 0, SIZE, 16, &nodes), 0);
    cr_expect_eq(page_nodes_known(&nodes), 16);
    cr_expect_eq(nodes.absent + nodes.unknown, 0);
}

Test(page_node, without_cachestat_mincore_tells)
{
    fake.cachestat = refused_cachestat;
    cr_assert_eq(page_node_sample(fd, 0, SIZE, 16, &nodes), 0);
    cr_expect_eq(page_nodes_known(&nodes), 16);
    evict_file(fd);
    cr_assert_eq(page_node_sample(fd, 0, SIZE, 16, &nodes), 0);
    cr_expect_eq(nodes.absent, 16);
}

Test(page_node, an_evicted_file_stays_evicted)
{
    evict_file(fd);
    cr_assert_eq(page_node_sample(fd, 0, SIZE, PAGE_SAMPLES_MAX, &nodes), 0);
    cr_expect_eq(nodes.absent, PAGE_SAMPLES_MAX);
    cr_assert_eq(page_node_sample_sent(fd, 0, SIZE, PAGE_SAMPLES_MAX, &nodes), 0);
    cr_expect_eq(nodes.absent, PAGE_SAMPLES_MAX);
    fake.cachestat = refused_cachestat;
    cr_assert_eq(page_node_sample(fd, 0, SIZE, PAGE_SAMPLES_MAX, &nodes), 0);
    cr_expect_eq(nodes.absent, PAGE_SAMPLES_MAX);
    usleep(50000);
    cr_expect_eq(resident(fd, 0, SIZE), 0);
}

Test(page_node, of_a_file_that_is_half_there_the_other_half_stays_away)
{
    evict_file(fd);
    read_first_half();
    unsigned before = resident(fd, 0, SIZE);
    cr_assert_eq(page_node_sample(fd, 0, SIZE, 32, &nodes), 0);
    cr_expect_eq(page_nodes_known(&nodes), 16);
    cr_expect_eq(nodes.absent, 16);
    usleep(50000);
    cr_expect_eq(resident(fd, 0, SIZE), before);
}

// Newer kernels tell only owners what is resident, and mincore tells everybody else "all".
Test(page_node, nobody_is_not_led_to_read_what_mincore_pretends)
{
    evict_file(fd);
    become_nobody();
    bool told = cachestat_tells_nobody();
    cr_assert_eq(page_node_sample(fd, 0, SIZE, 16, &nodes), 0);
    become_root();
    cr_expect_eq(page_nodes_known(&nodes), 0);
    cr_expect_eq(told ? nodes.absent : nodes.unknown, 16);
    cr_expect_eq(resident(fd, 0, SIZE), 0);
}

Test(page_node, nobody_is_told_of_what_was_just_sent)
{
    become_nobody();
    fake.cachestat = refused_cachestat;
    cr_assert_eq(page_node_sample(fd, 0, SIZE, 16, &nodes), 0);
    cr_expect_eq(nodes.unknown, 16);
    cr_assert_eq(page_node_sample_sent(fd, 0, SIZE, 16, &nodes), 0);
    cr_expect_eq(page_nodes_known(&nodes), 16);
}

Test(page_node, a_wrong_belief_costs_one_page)
{
    evict_file(fd);
    become_nobody();
    fake.cachestat = refused_cachestat;
    cr_assert_eq(page_node_sample_sent(fd, 0, SIZE, 16, &nodes), 0);
    become_root();
    cr_expect_eq(nodes.absent, 1);
    cr_expect_eq(nodes.unknown, 15);
    cr_expect_leq(resident(fd, 0, SIZE), 1);
}

// SIGBUS is what a mapping gives for pages that are no more.
Test(page_node, a_file_that_becomes_shorter_meanwhile_kills_nobody)
{
    fake.fstat = fstat_of_more;
    cr_assert_eq(page_node_sample(fd, 0, 4 * SIZE, 16, &nodes), 0);
    cr_expect_eq(page_nodes_known(&nodes), 4);
    cr_expect_eq(nodes.absent, 12);
    become_nobody();
    fake.cachestat = refused_cachestat;
    cr_assert_eq(page_node_sample_sent(fd, 0, 4 * SIZE, 16, &nodes), 0);
    cr_expect_eq(page_nodes_known(&nodes), 4);
    cr_expect_eq(nodes.unknown, 12);
}

Test(page_node, holes_of_a_file_in_memory_are_not_filled)
{
    struct stat before, after;
    int mem = memfd_create("page_node_test", MFD_CLOEXEC);

    cr_assert_geq(mem, 0);
    cr_assert_eq(ftruncate(mem, (off_t)SIZE), 0);
    cr_assert_eq(pwrite(mem, "x", 1, 0), 1);
    cr_assert_eq(fstat(mem, &before), 0);
    cr_assert_eq(page_node_sample(mem, 0, SIZE, 64, &nodes), 0);
    cr_assert_eq(fstat(mem, &after), 0);
    cr_expect_eq(after.st_blocks, before.st_blocks);
    cr_expect_eq(nodes.absent, 64);
    cr_assert_eq(page_node_sample(mem, 0, 1, 64, &nodes), 0);
    cr_expect_eq(page_nodes_known(&nodes), 1);
    close(mem);
}

Test(page_node, looks_no_farther_than_the_part_and_the_file)
{
    cr_assert_eq(page_node_sample(fd, 0, 3 * PAGE, 16, &nodes), 0);
    cr_expect_eq(page_nodes_known(&nodes), 3);
    cr_assert_eq(page_node_sample(fd, PAGE - 1, 2, 16, &nodes), 0);
    cr_expect_eq(page_nodes_known(&nodes), 2, "two bytes on two pages");
    cr_assert_eq(page_node_sample(fd, SIZE - 1, UINT64_MAX, 16, &nodes), 0);
    cr_expect_eq(page_nodes_known(&nodes), 1);
    cr_assert_eq(page_node_sample(fd, 0, SIZE, 1000, &nodes), 0);
    cr_expect_eq(page_nodes_known(&nodes), PAGE_SAMPLES_MAX);
    cr_assert_eq(page_node_sample(fd, SIZE, 1, 16, &nodes), 0);
    cr_assert_eq(page_node_sample(fd, 0, 0, 16, &nodes), 0);
    cr_assert_eq(page_node_sample(fd, 0, SIZE, 0, &nodes), 0);
    cr_expect_eq(page_nodes_known(&nodes) + nodes.absent + nodes.unknown, 0);
}

Test(page_node, what_cannot_be_mapped_is_an_error)
{
    int folder = open(dir, O_RDONLY | O_DIRECTORY);

    cr_expect_eq(page_node_sample(-1, 0, 1, 1, &nodes), -EBADF);
    cr_expect_lt(page_node_sample(folder, 0, 1, 1, &nodes), 0);
    close(folder);
}

static bool has_node(int node)
{
    char path[64];

    snprintf(path, sizeof(path), "/sys/devices/system/node/node%d", node);
    return access(path, F_OK) == 0;
}

// For a test outside (test/lab/guest/test_replica.py): pages that other processes have brought in.
Test(page_node, a_file_that_somebody_else_has_read)
{
    const char *file = getenv("PAGE_NODE_FILE"), *node = getenv("PAGE_NODE_EXPECTED");

    if (file == NULL || node == NULL)
        skip_test("nobody asks");
    int f = open(file, O_RDONLY);
    cr_assert_geq(f, 0);
    cr_assert_eq(page_node_sample(f, 0, UINT64_MAX, 64, &nodes), 0);
    close(f);
    cr_expect_eq(nodes.on[atoi(node)], 64, "%u", nodes.on[atoi(node)]);
}

Test(page_node, each_node_is_told_from_the_others)
{
    if (!has_node(1))
        skip_test("one node here");
    for (int node = 0; node < PAGE_NODES_MAX && has_node(node); node++) {
        unsigned long mask = 1ul << node;
        char name[16];

        snprintf(name, sizeof(name), "on%d", node);
        cr_assert_eq(set_mempolicy(MPOL_BIND, &mask, 64), 0);
        int f = make_file(name, MIB, 1);
        cr_assert_eq(set_mempolicy(MPOL_DEFAULT, NULL, 0), 0);
        cr_assert_eq(page_node_sample(f, 0, MIB, 32, &nodes), 0);
        cr_expect_eq(nodes.on[node], 32, "node %d: %u", node, nodes.on[node]);
        close(f);
    }
}
