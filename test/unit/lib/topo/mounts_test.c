// SPDX-License-Identifier: Apache-2.0
#include "lib/topo/mounts.h"

#include <errno.h>
#include <fcntl.h>
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
    cr_expect_eq(mounts[1].id, 25);
    mounts_free(mounts, count);
}

Test(mounts, blanks_in_paths)
{
    read_text("25 22 9:0 / /a\\040b\\134\\011c\\9 rw - xfs /dev/\\040 rw");
    cr_assert_eq(count, 1);
    cr_expect_str_eq(mounts[0].path, "/a b\\\tc\\9");
    mounts_free(mounts, count);
}

Test(mounts, of_what_has_no_device_btrfs_alone_lies_on_some)
{
    read_text("25 22 0:30 / /tmp rw - tmpfs tmpfs rw\n"
              "26 22 0:35 /video /srv/video rw - btrfs /dev/sda rw\n"
              "27 22 0:36 / /merged rw - overlay overlay rw,lowerdir=/a\n"
              "28 22 0:35 / /pool rw - btrfs /dev/sda rw,subvolid=5\n"
              "29 22 0:37 / /tank rw - zfs tank rw");
    cr_assert_eq(count, 1);
    cr_expect_str_eq(mounts[0].path, "/pool");
    cr_expect_eq(mounts[0].id, 28, "the number is that of the path");
    cr_expect_eq(mounts[0].dev, makedev(0, 35));
    mounts_free(mounts, count);
}

Test(mounts, what_is_too_long_for_a_line_is_no_other_line)
{
    static char text[64 * 1024];
    int n = snprintf(text, sizeof(text), "25 22 9:0 / /long rw - xfs /dev/md0 ");

    memset(text + n, 'x', 16383 - n);
    strcpy(text + 16383, "26 22 9:1 / /tail rw - xfs /dev/md1 rw\n27 22 9:2 / /ok rw - xfs d rw");
    read_text(text);
    cr_assert_eq(count, 2);
    cr_expect_str_eq(mounts[0].path, "/long");
    cr_expect_str_eq(mounts[1].path, "/ok");
    mounts_free(mounts, count);
}

Test(mounts, nonsense_is_passed_over)
{
    read_text("\n - \n25 22 9:0 / /a rw xfs /dev/md0 rw\n25 22 - x y\n"
              "25 22 9:z / /a rw - xfs d rw\n"
              "x 22 9:0 / /a rw - xfs d rw\n"
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

static bool keep_path_of(void *ctx, const struct mounted *m)
{
    struct mounted *wanted = ctx;

    if (m->id != wanted->id)
        return true;
    wanted->path = strdup(m->path);
    return false;
}

Test(mounts, an_open_file_tells_its_mount)
{
    struct mounted proc = {.path = NULL};
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

    cr_assert_geq(fd, 0);
    proc.id = mounts_id(fd);
    close(fd);
    if (proc.id == MOUNT_UNKNOWN)
        cr_skip_test("this kernel does not tell mounts (Linux 5.8)");
    cr_assert_eq(mounts_each("", keep_path_of, &proc), 0);
    cr_assert_not_null(proc.path);
    cr_expect_str_eq(proc.path, "/proc");
    free(proc.path);
    cr_expect_eq(mounts_id(-1), MOUNT_UNKNOWN);
}
