// SPDX-License-Identifier: Apache-2.0
#include "lib/file/extent.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/sys.h"

static unsigned probes;
static bool resident;
static int fd;

static ssize_t count_preadv2(int f, const struct iovec *iov, int count, off_t off, int flags)
{
    probes++;
    if (!resident) {
        errno = EAGAIN;
        return -1;
    }
    return preadv2(f, iov, count, off, flags & ~RWF_NOWAIT);
}

static struct sys_calls table;

static void set_up(void)
{
    char name[] = "/tmp/millrace-extent-XXXXXX";

    table = sys_default;
    table.preadv2 = count_preadv2;
    sys = &table;
    resident = true;
    fd = mkstemp(name);
    cr_assert_geq(fd, 0);
    unlink(name);
    cr_assert_eq(ftruncate(fd, 1 << 20), 0);
}

static bool ask(struct open_file *f, uint64_t off, uint64_t len, uint64_t now)
{
    static const struct ring_features none;

    probes = 0;
    return extent_resident(&none, f, off, len, now);
}

static char entry[1];
#define CACHED ((struct file_entry *)(void *)entry)

Test(extent, a_cached_file_found_resident_is_not_asked_again_for_a_second, .init = set_up)
{
    struct open_file f = {.fd = fd, .is_file = true, .size = 1 << 20, .entry = CACHED};

    cr_assert(ask(&f, 0, 1000, 5000));
    cr_assert_gt(probes, 1);
    cr_assert(ask(&f, 500000, 1000, 5000 + EXTENT_TRUST_MS - 1));
    cr_assert_eq(probes, 0);
    cr_assert(ask(&f, 0, 1000, 5000 + EXTENT_TRUST_MS));
    cr_assert_gt(probes, 0);
}

Test(extent, trust_ends_at_the_end_of_the_file, .init = set_up)
{
    struct open_file f = {.fd = fd, .is_file = true, .size = 1 << 20, .entry = CACHED};

    cr_assert(ask(&f, 0, 1000, 5000));
    cr_assert_not(ask(&f, (1 << 20) - 10, 11, 5001));
    cr_assert_not(ask(&f, UINT64_MAX - 5, 5, 5001));
}

Test(extent, a_file_without_a_cache_is_asked_each_time, .init = set_up)
{
    struct open_file f = {.fd = fd, .is_file = true, .size = 1 << 20};

    cr_assert(ask(&f, 0, 1000, 5000));
    cr_assert(ask(&f, 0, 1000, 5001));
    cr_assert_gt(probes, 0);
}

Test(extent, a_miss_is_not_remembered, .init = set_up)
{
    struct open_file f = {.fd = fd, .is_file = true, .size = 1 << 20, .entry = CACHED};

    resident = false;
    cr_assert_not(ask(&f, 0, 1000, 5000));
    resident = true;
    cr_assert(ask(&f, 0, 1000, 5000));
}

Test(extent, a_large_file_is_asked_by_parts, .init = set_up)
{
    struct open_file f = {
        .fd = fd, .is_file = true, .size = EXTENT_WHOLE_MAX + 1, .entry = CACHED};

    cr_assert(ask(&f, 0, 1000, 5000));
    cr_assert_leq(probes, 2);
    cr_assert(ask(&f, 0, 1000, 5001));
    cr_assert_gt(probes, 0);
}
