// SPDX-License-Identifier: Apache-2.0
//
// Residency, on a real file whose pages are pushed out of the cache. Where they do not go (a file
// system in memory, a kernel that keeps them), a test says so and is skipped.
#include "test/unit/lib/file/file_fixture.h"

#include <linux/mman.h>

#include "lib/file/residency.h"

#define FILE_SIZE (1u << 20)

static int fd;
static unsigned stats; // calls of cachestat

static const struct ring_features with_stat = {.cachestat = true}, without_stat = {0};

static int counting_cachestat(int f, struct cachestat_range *range, struct cachestat *st,
                              unsigned flags)
{
    stats++;
    return sys_default.cachestat(f, range, st, flags);
}

static int refusing_cachestat(int f, struct cachestat_range *range, struct cachestat *st,
                              unsigned flags)
{
    (void)f;
    (void)range;
    (void)st;
    (void)flags;
    stats++;
    errno = EPERM;
    return -1;
}

static void setup(void)
{
    static char block[FILE_SIZE];

    fixture_up(0);
    memset(block, 'm', sizeof(block));
    fd = open(in_dir("big"), O_RDWR | O_CREAT, 0644);
    cr_assert_eq(write(fd, block, sizeof(block)), (ssize_t)sizeof(block));
    cr_assert_eq(fsync(fd), 0);
    fake.cachestat = counting_cachestat;
    stats = 0;
}

static void teardown(void)
{
    close(fd);
    fixture_down();
}

TestSuite(residency, .init = setup, .fini = teardown, .timeout = 20);

static bool kernel_has_cachestat(void)
{
    struct cachestat_range range = {0, 1};
    struct cachestat st;

    return sys_default.cachestat(fd, &range, &st, 0) == 0;
}

// Pushes [off, off+len) out of the page cache, or skips the test. Looking with RWF_NOWAIT would
// start reading it again.
static void evict(off_t off, off_t len)
{
    struct cachestat_range range = {(uint64_t)off, (uint64_t)len};
    struct cachestat st;

    if (!kernel_has_cachestat())
        cr_skip_test("no cachestat(2) here to tell whether the pages went");
    for (int i = 0; i < 50; i++) {
        cr_assert_eq(posix_fadvise(fd, off, len, POSIX_FADV_DONTNEED), 0);
        cr_assert_eq(sys_default.cachestat(fd, &range, &st, 0), 0);
        if (st.nr_cache == 0)
            return;
        usleep(10000);
    }
    cr_skip_test("the pages of %s stay in memory", dir);
}

// The kernel writes in folios of many pages, and drops no part of one. Read back one by one, in
// random-access mode, each page is a folio of its own.
static void split_into_pages(void)
{
    char byte;

    evict(0, FILE_SIZE);
    cr_assert_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
    for (off_t off = 0; off < (off_t)FILE_SIZE; off += 4096)
        cr_assert_eq(pread(fd, &byte, 1, off), 1);
    cr_assert(file_resident(&with_stat, fd, 0, FILE_SIZE));
}

static int32_t fetched;
static bool fetch_done;

static void on_fetched(struct op *op, int32_t res, uint32_t flags)
{
    (void)op;
    (void)flags;
    fetched = res;
    fetch_done = true;
}

static int32_t fetch(uint64_t off, unsigned len)
{
    struct op op;

    op_init(&op, on_fetched);
    fetch_done = false;
    cr_assert_eq(file_fetch(&ring, &op, fd, off, len), 0);
    for (int i = 0; i < 100 && !fetch_done; i++)
        cr_assert_eq(ring_turn(&ring, true), 0);
    cr_assert(fetch_done);
    return fetched;
}

Test(residency, what_was_just_written_is_resident)
{
    cr_expect(file_resident(&without_stat, fd, 0, FILE_SIZE));
    cr_expect(file_resident(&without_stat, fd, 0, 1));
    cr_expect(file_resident(&without_stat, fd, FILE_SIZE - 1, 1));
    cr_expect(file_resident(&without_stat, fd, 12345, 0));
    cr_expect_eq(stats, 0);
    cr_expect(file_resident(&with_stat, fd, 0, FILE_SIZE));
    cr_expect(file_resident(&with_stat, fd, 4095, 2));
    cr_expect(file_resident(&with_stat, fd, 4096, 4096));
    cr_expect_eq(stats, 3);
}

Test(residency, beyond_the_end_is_not_resident)
{
    for (int i = 0; i < 2; i++) {
        const struct ring_features *f = i == 0 ? &with_stat : &without_stat;

        cr_expect_not(file_resident(f, fd, 0, FILE_SIZE + 1));
        cr_expect_not(file_resident(f, fd, FILE_SIZE, 1));
        cr_expect_not(file_resident(f, fd, UINT64_MAX, 2));
        cr_expect_not(file_resident(f, fd, INT64_MAX, 2));
        cr_expect_not(file_resident(f, -1, 0, 1));
    }
}

Test(residency, a_cold_file_is_fetched_and_resident_then)
{
    evict(0, FILE_SIZE);
    cr_expect_not(file_resident(&with_stat, fd, 0, FILE_SIZE));
    for (unsigned off = 0; off < FILE_SIZE; off += RESIDENCY_FETCH_MAX)
        cr_expect_gt(fetch(off, RESIDENCY_FETCH_MAX), 0);
    cr_expect(file_resident(&with_stat, fd, 0, FILE_SIZE));
    cr_expect(file_resident(&without_stat, fd, 0, FILE_SIZE));
}

// With the pages around it resident, only a look at all of them can tell.
Test(residency, a_hole_in_the_middle_is_seen_by_cachestat)
{
    split_into_pages();
    evict(512 << 10, 4096);
    cr_expect_not(file_resident(&with_stat, fd, 0, FILE_SIZE));
    cr_expect(file_resident(&with_stat, fd, 0, 512 << 10));
    cr_expect(file_resident(&with_stat, fd, 516 << 10, 128 << 10));
}

Test(residency, a_hole_as_long_as_a_stride_is_seen_without_cachestat)
{
    split_into_pages();
    evict(512 << 10, RESIDENCY_STRIDE + 4096);
    cr_expect_not(file_resident(&without_stat, fd, 0, FILE_SIZE));
    cr_expect(file_resident(&without_stat, fd, 0, 512 << 10));
}

// Kernels answer cachestat(2) only for files that the caller owns or may write.
Test(residency, a_refused_cachestat_is_asked_once_and_strides_tell)
{
    fake.cachestat = refusing_cachestat;
    cr_expect(file_resident(&with_stat, fd, 0, FILE_SIZE));
    cr_expect(file_resident(&with_stat, fd, 0, FILE_SIZE));
    cr_expect_eq(stats, 1);
    cr_expect_not(file_resident(&with_stat, fd, 0, FILE_SIZE + 1));
}

Test(residency, cached_reads)
{
    char buf[100];

    cr_expect_eq(file_read_cached(fd, buf, sizeof(buf), 0), 100);
    cr_expect_eq(buf[99], 'm');
    cr_expect_eq(file_read_cached(fd, buf, sizeof(buf), FILE_SIZE - 10), 10);
    cr_expect_eq(file_read_cached(fd, buf, sizeof(buf), FILE_SIZE), 0);
    cr_expect_eq(file_read_cached(-1, buf, sizeof(buf), 0), -EBADF);
}

Test(residency, a_cold_cached_read_says_eagain_and_starts_reading)
{
    char buf[100];
    ssize_t n = -EAGAIN;

    evict(0, FILE_SIZE);
    cr_expect_eq(file_read_cached(fd, buf, sizeof(buf), 0), -EAGAIN);
    for (int i = 0; i < 500 && n == -EAGAIN; i++) {
        usleep(10000);
        n = file_read_cached(fd, buf, sizeof(buf), 0);
    }
    cr_expect_eq(n, 100);
}

Test(residency, fetch_tells_end_and_errors)
{
    cr_expect_eq(fetch(0, 4096), 4096);
    cr_expect_eq(fetch(0, 10 * RESIDENCY_FETCH_MAX), RESIDENCY_FETCH_MAX, "longer is cut");
    cr_expect_eq(fetch(FILE_SIZE - 5, 4096), 5);
    cr_expect_eq(fetch(FILE_SIZE, 4096), 0);
    int good = fd;
    fd = -1;
    cr_expect_eq(fetch(0, 1), -EBADF);
    fd = good;
}

Test(residency, files_in_memory_are_always_resident)
{
    char path[] = "/dev/shm/residency_test.XXXXXX", byte;
    int mem = mkstemp(path);

    if (mem < 0)
        cr_skip_test("no /dev/shm here");
    unlink(path);
    cr_assert_eq(write(mem, "0123456789", 10), 10);
    cr_expect_eq(file_read_cached(mem, &byte, 1, 9), 1);
    cr_expect_eq(byte, '9');
    cr_expect(file_resident(&with_stat, mem, 0, 10));
    cr_expect(file_resident(&without_stat, mem, 0, 10));
    cr_expect_not(file_resident(&without_stat, mem, 0, 11));
    close(mem);
}
