// SPDX-License-Identifier: Apache-2.0
//
// What tests of the page cache share: a scratch folder, files whose bytes tell where they stand,
// looking at which pages are resident, and pushing them out. Included by each test file once.
#pragma once

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/compiler.h"

#define MIB (1ull << 20)
#define PAGE 4096u
#define unused_ok __attribute__((unused))

static char dir[64];

static void make_dir(void)
{
    // On a disk also where /tmp is in memory.
    snprintf(dir, sizeof(dir), "/var/tmp/pages_test.XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(chmod(dir, 0755), 0);
}

static void remove_dir(void)
{
    char command[96];

    snprintf(command, sizeof(command), "rm -rf %s", dir);
    cr_expect_eq(system(command), 0);
}

// A skipped test is not followed by what tears down.
#define skip_test(...)             \
    do {                           \
        remove_dir();              \
        cr_skip_test(__VA_ARGS__); \
    } while (0)

// The eight bytes at a multiple of eight: the offset, and which file it is.
static uint64_t word_at(uint64_t off, unsigned version)
{
    return off ^ (uint64_t)version << 48;
}

static void fill(char *p, size_t n, uint64_t off, unsigned version)
{
    for (size_t i = 0; i < n; i += 8) {
        uint64_t word = word_at(off + i, version);
        memcpy(p + i, &word, min_of(n - i, 8));
    }
}

unused_ok static void check_bytes(const char *p, size_t n, uint64_t off, unsigned version)
{
    char *want = malloc(n + 8);

    cr_assert_not_null(want);
    fill(want, n, off, version);
    cr_expect_arr_eq(p, want, n, "bytes at %llu of version %u", (unsigned long long)off, version);
    free(want);
}

unused_ok static void write_version(int fd, uint64_t size, unsigned version)
{
    static char block[MIB];

    for (uint64_t off = 0; off < size; off += sizeof(block)) {
        size_t n = (size_t)min_of(size - off, (uint64_t)sizeof(block));
        fill(block, n, off, version);
        cr_assert_eq(pwrite(fd, block, n, (off_t)off), (ssize_t)n);
    }
}

// Written, and on the disk; the pages are clean and resident.
unused_ok static int make_file(const char *name, uint64_t size, unsigned version)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    cr_assert_geq(fd, 0);
    write_version(fd, size, version);
    cr_assert_eq(fsync(fd), 0);
    return fd;
}

// Resident pages of a file that we own (mincore(2) would lie about another's).
static unsigned resident(int fd, uint64_t off, uint64_t len)
{
    size_t pages = (size_t)((len + PAGE - 1) / PAGE);
    unsigned char *there = malloc(pages);
    void *p = mmap(NULL, (size_t)len, PROT_READ, MAP_SHARED, fd, (off_t)off);
    unsigned n = 0;

    cr_assert_not_null(there);
    cr_assert_neq(p, MAP_FAILED);
    cr_assert_eq(mincore(p, (size_t)len, there), 0);
    for (size_t i = 0; i < pages; i++)
        n += there[i] & 1;
    munmap(p, (size_t)len);
    free(there);
    return n;
}

// Pushes all of the file out of the page cache, or skips the test.
unused_ok static void evict_file(int fd)
{
    struct stat st;

    cr_assert_eq(fstat(fd, &st), 0);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        if (resident(fd, 0, (uint64_t)st.st_size) == 0)
            return;
        usleep(10000);
    }
    skip_test("the pages of %s stay in memory", dir);
}
