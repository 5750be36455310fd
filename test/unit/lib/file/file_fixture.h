// SPDX-License-Identifier: Apache-2.0
//
// What the tests of lib/file share: a scratch folder, a ring, a table, and system calls that count
// or pretend that nothing is in memory. Included by each test file once.
#pragma once

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/sys.h"
#include "lib/file/open_file.h"
#include "lib/ring/ring.h"
#include "test/unit/support/descriptors.h"

// A test file need not use all of it.
#define unused_ok __attribute__((unused))

static struct ring ring;
static struct file_table table;
static struct sys_calls fake;
static char dir[64];
static bool have_ring;
static unsigned opens;   // calls of openat2
static bool all_cold;    // inline opens find nothing in memory
static unsigned fds_before;

static int fake_openat2(int dir_fd, const char *path, struct open_how *how, size_t size)
{
    opens++;
    if (all_cold) {
        errno = EAGAIN;
        return -1;
    }
    // What the test made a moment ago is in memory.
    int fd = sys_default.openat2(dir_fd, path, how, size);
    cr_expect(fd < 0 || (how->resolve & RESOLVE_CACHED) != 0, "an inline open may not wait");
    return fd;
}

static void fixture_up(unsigned ncaches)
{
    char why[256];

    have_ring = ring_init(&ring, why, sizeof(why)) == 0;
    if (!have_ring)
        cr_skip_test("no io_uring here: %s", why);
    snprintf(dir, sizeof(dir), "/tmp/file_test.XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(file_table_init(&table, &ring, ncaches), 0);
    fake = sys_default;
    fake.openat2 = fake_openat2;
    sys = &fake;
    opens = 0;
    all_cold = false;
    clock_update();
    fds_before = count_fds();
}

static void fixture_down(void)
{
    char command[96];

    if (!have_ring)
        return;
    file_table_destroy(&table);
    cr_expect_eq(count_fds(), fds_before, "a descriptor leaked");
    sys = &sys_default;
    ring_destroy(&ring);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    cr_expect_eq(system(command), 0);
}

// A path below the scratch folder; sixteen live at a time.
static const char *in_dir(const char *name)
{
    static char paths[16][256];
    static unsigned next;
    char *p = paths[next++ % 16];

    snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
    return p;
}

unused_ok static void write_file(const char *name, const char *content)
{
    FILE *f = fopen(in_dir(name), "w");

    cr_assert_not_null(f);
    fputs(content, f);
    fclose(f);
}

static bool looked_up;

static void lookup_done(struct file_lookup *l)
{
    (void)l;
    looked_up = true;
}

// Runs a lookup to its end, over the ring when it must.
unused_ok static void look_up(struct file_lookup *l)
{
    l->done = lookup_done;
    looked_up = false;
    int rc = file_lookup(&table, l);
    if (rc == 0) {
        cr_expect_not(looked_up, "done() is for lookups in flight");
        return;
    }
    cr_assert_eq(rc, -EINPROGRESS);
    cr_expect_eq(table.opening, 1);
    for (int i = 0; i < 100 && !looked_up; i++)
        cr_assert_eq(ring_turn(&ring, true), 0);
    cr_assert(looked_up);
    cr_expect_eq(table.opening, 0);
}
