// SPDX-License-Identifier: Apache-2.0
#include "server/report/mounts.h"

#include <errno.h>
#include <sys/sysmacros.h>

#include "test/unit/lib/topo/tree_fixture.h"

TestSuite(mounts, .init = tree_begin, .fini = tree_end);

static struct mounted *mounts;
static unsigned count;

static void read_text(const char *text)
{
    tree_put(text, "proc/self/mountinfo");
    cr_assert_eq(mounts_read(tree, &mounts, &count), 0);
}

Test(mounts, devices_stand_once_with_their_shortest_path)
{
    read_text("22 1 253:0 / / rw - ext4 /dev/mapper/root rw\n"
              "23 22 0:21 / /proc rw shared:5 - proc proc rw\n"
              "24 22 9:0 /sub /srv/video/part rw shared:1 master:2 - xfs /dev/md0 rw\n"
              "25 22 9:0 / /srv/video rw - xfs /dev/md0 rw");
    cr_assert_eq(count, 2);
    cr_expect_str_eq(mounts[0].path, "/");
    cr_expect_str_eq(mounts[1].path, "/srv/video");
    cr_expect_str_eq(mounts[1].type, "xfs");
    cr_expect_str_eq(mounts[1].source, "/dev/md0");
    cr_expect_eq(mounts[1].dev, makedev(9, 0));
    mounts_free(mounts, count);
}

Test(mounts, blanks_in_paths)
{
    read_text("25 22 9:0 / /a\\040b\\134\\011c\\9 rw - xfs /dev/\\040 rw");
    cr_assert_eq(count, 1);
    cr_expect_str_eq(mounts[0].path, "/a b\\\tc\\9");
    mounts_free(mounts, count);
}

Test(mounts, nonsense_is_passed_over)
{
    read_text("\n - \n25 22 9:0 / /a rw xfs /dev/md0 rw\n25 22 - x y\n"
              "25 22 9:z / /a rw - xfs d rw\n"
              "25 22 9:0 / /a rw - xfs\n25 22 9:0 / /ok rw - xfs d");
    cr_assert_eq(count, 1);
    cr_expect_str_eq(mounts[0].path, "/ok");
    mounts_free(mounts, count);
}

Test(mounts, a_fifo_is_not_waited_for, .timeout = 10)
{
    char path[128];

    tree_put("", "proc/self/x");
    snprintf(path, sizeof(path), "%s/proc/self/mountinfo", tree);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_expect_eq(mounts_read(tree, &mounts, &count), 0);
    cr_expect_eq(count, 0);
}

Test(mounts, a_tree_without_them)
{
    cr_expect_eq(mounts_read(tree, &mounts, &count), -ENOENT);
    cr_expect_eq(count, 0);
}
