// SPDX-License-Identifier: Apache-2.0
//
// From a file to its disks where a block device is not all there is between them: btrfs, and loop
// devices.
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "lib/topo/machine.h"
#include "lib/topo/mounts.h"
#include "test/unit/lib/topo/tree_disks_fixture.h"

static struct machine m;

static void teardown(void)
{
    machine_free(&m);
    tree_end();
}

TestSuite(machine_storage, .init = tree_two_disks, .fini = teardown, .timeout = 60);

static void load(const char *mountinfo)
{
    tree_put(mountinfo, "proc/self/mountinfo");
    machine_free(&m);
    cr_assert_eq(machine_load(&m, tree), 0);
}

// Of a file with an anonymous device, by its mount.
static const char *on_mount(unsigned device, int64_t mount)
{
    return tree_disks(&m, makedev(0, device), mount);
}

static const char *of_loop(unsigned i)
{
    return tree_disks(&m, makedev(7, i), MOUNT_UNKNOWN);
}

Test(machine_storage, btrfs_on_a_partition)
{
    tree_btrfs("aaaa", "nvme1n1p1", "259:3");
    load("30 1 0:35 / /data rw,noatime shared:7 master:2 - btrfs /dev/nvme1n1p1 rw,subvolid=5");
    cr_expect_str_eq(on_mount(35, 30), "nvme1n1");
    cr_expect_str_eq(on_mount(35, MOUNT_UNKNOWN), "", "the number alone says nothing");
    cr_expect_str_eq(on_mount(35, 31), "", "no such mount");
}

Test(machine_storage, btrfs_on_disks_of_two_nodes)
{
    const struct machine_disk *out[2];

    tree_btrfs("aaaa", "nvme0n1", "259:0");
    tree_btrfs("aaaa", "nvme1n1p1", "259:3");
    load("30 1 0:35 / /data rw - btrfs /dev/nvme1n1p1 rw");
    cr_expect_str_eq(on_mount(35, 30), "nvme0n1 nvme1n1");
    cr_assert_eq(machine_disks(&m, makedev(0, 35), 30, out, 2), 2);
    cr_expect_eq(out[0]->node, 0);
    cr_expect_eq(out[1]->node, 1);
    cr_expect_eq(machine_disks(&m, makedev(0, 35), 30, out, 1), 1);
}

Test(machine_storage, a_subvolume_has_a_device_that_no_mount_tells)
{
    tree_btrfs("aaaa", "nvme1n1p1", "259:3");
    load("30 1 0:35 / /data rw - btrfs /dev/nvme1n1p1 rw");
    cr_expect_str_eq(on_mount(99, 30), "nvme1n1");
}

Test(machine_storage, bind_mounts_and_subvolumes_that_are_mounted)
{
    tree_btrfs("aaaa", "nvme1n1p1", "259:3");
    load("30 1 0:35 / /pool rw - btrfs /dev/nvme1n1p1 rw\n"
         "31 1 0:35 /video /srv/video rw - btrfs /dev/nvme1n1p1 rw,subvol=/video\n"
         "32 1 0:35 /video/old /srv/my\\040old\\134video ro - btrfs /dev/nvme1n1p1 rw");
    cr_expect_str_eq(on_mount(40, 31), "nvme1n1");
    cr_expect_str_eq(on_mount(40, 32), "nvme1n1");
}

Test(machine_storage, several_btrfs_have_their_own_disks)
{
    tree_put("0", "sys/fs/btrfs/features/no_holes");
    tree_btrfs("aaaa", "nvme0n1p1", "259:1");
    tree_btrfs("bbbb", "nvme1n1p1", "259:3");
    load("30 1 0:35 / /a rw - btrfs /dev/nvme0n1p1 rw\n"
         "31 1 0:36 / /b rw - btrfs /dev/nvme1n1p1 rw\n"
         "32 1 0:37 / /c rw - btrfs /dev/nvme1n1p rw\n"
         "33 1 0:38 / /d rw - btrfs /dev/nvme1n1p11 rw");
    cr_expect_str_eq(on_mount(35, 30), "nvme0n1");
    cr_expect_str_eq(on_mount(36, 31), "nvme1n1");
    cr_expect_str_eq(on_mount(37, 32), "", "part of a name");
    cr_expect_str_eq(on_mount(38, 33), "");
}

Test(machine_storage, btrfs_on_a_volume_that_the_mount_calls_by_name)
{
    tree_stacked("dm-0", "253:0", (const char *const[]){"259:1", NULL});
    tree_stacked("dm-1", "253:1", (const char *const[]){"259:3", "259:1", NULL});
    tree_put("vg-root", "sys/devices/virtual/block/dm-0/dm/name");
    tree_put("vg-video", "sys/devices/virtual/block/dm-1/dm/name");
    tree_btrfs("aaaa", "dm-0", "253:0");
    tree_btrfs("bbbb", "dm-1", "253:1");
    load("30 1 0:35 / / rw - btrfs /dev/mapper/vg-root rw\n"
         "31 1 0:36 / /video rw - btrfs /dev/mapper/vg-video rw\n"
         "32 1 0:36 / /video rw - btrfs /dev/dm-1 rw");
    cr_expect_str_eq(on_mount(35, 30), "nvme0n1");
    cr_expect_str_eq(on_mount(36, 31), "nvme0n1 nvme1n1");
    cr_expect_str_eq(on_mount(36, 32), "nvme0n1 nvme1n1");
}

Test(machine_storage, a_disk_in_a_folder_of_dev)
{
    tree_btrfs("aaaa", "nvme0n1p1", "259:1");
    tree_btrfs("bbbb", "cciss!c0d0p1", "259:3");
    load("30 1 0:35 / / rw - btrfs /dev/cciss/c0d0p1 rw");
    cr_expect_str_eq(on_mount(35, 30), "nvme1n1");
}

Test(machine_storage, a_source_that_is_nowhere_is_the_only_btrfs_there_is)
{
    const char *mounts = "30 1 0:35 / / rw - btrfs /dev/root rw";

    tree_put("0", "sys/fs/btrfs/features/no_holes");
    tree_btrfs("aaaa", "nvme1n1p1", "259:3");
    load(mounts);
    cr_expect_str_eq(on_mount(35, 30), "nvme1n1");
    tree_btrfs("bbbb", "nvme0n1p1", "259:1");
    load(mounts);
    cr_expect_str_eq(on_mount(35, 30), "", "one of two");
}

Test(machine_storage, what_does_not_tell_its_devices)
{
    tree_btrfs("aaaa", "nvme1n1p1", "259:3");
    load("30 1 0:35 / / rw - overlay overlay rw,lowerdir=/a,upperdir=/b\n"
         "31 1 0:36 / /tank rw - zfs /dev/nvme1n1p1 rw\n"
         "32 1 0:37 / /tmp rw - tmpfs tmpfs rw");
    cr_expect_str_eq(on_mount(35, 30), "");
    cr_expect_str_eq(on_mount(36, 31), "");
    cr_expect_str_eq(on_mount(37, 32), "");
}

Test(machine_storage, btrfs_without_sysfs)
{
    load("30 1 0:35 / / rw - btrfs /dev/nvme0n1p1 rw");
    cr_expect_str_eq(on_mount(35, 30), "");
}

Test(machine_storage, a_loop_device_of_a_file)
{
    tree_loop(0, "/images/a.img");
    tree_loop(1, "/var/a.img");
    tree_block("virtual/block", "loop2", "7:2");
    tree_put("1", "sys/devices/virtual/block/loop0/loop0p1/partition");
    tree_put("259:9", "sys/devices/virtual/block/loop0/loop0p1/dev");
    tree_link("../../devices/virtual/block/loop0/loop0p1", "sys/dev/block/259:9");
    load("22 1 259:1 / / rw - ext4 /dev/nvme0n1p1 rw\n"
         "23 22 259:3 / /images rw - xfs /dev/nvme1n1p1 rw");
    cr_expect_str_eq(of_loop(0), "nvme1n1");
    cr_expect_str_eq(tree_disks(&m, makedev(259, 9), MOUNT_UNKNOWN), "nvme1n1", "its partition");
    cr_expect_str_eq(of_loop(1), "nvme0n1");
    cr_expect_str_eq(of_loop(2), "", "of no file");
}

Test(machine_storage, the_mount_of_a_path_is_the_one_that_is_seen_there)
{
    tree_loop(0, "/srv/my video/a.img");
    tree_loop(1, "/srv/my/a.img");
    tree_loop(2, "/srv/mystery/a.img");
    tree_loop(3, "/srv/over/a.img");
    load("23 22 259:3 / /srv/my\\040video rw - xfs d rw\n"
         "24 22 259:1 / /srv/my rw - xfs d rw\n"
         "25 22 259:1 / /srv/over rw - xfs d rw\n"
         "26 25 259:3 / /srv/over rw - xfs d rw\n"
         "27 22 259:1 / /srv/over/b rw - xfs d rw\n"
         "22 1 0:20 / / rw - tmpfs none rw");
    cr_expect_str_eq(of_loop(0), "nvme1n1");
    cr_expect_str_eq(of_loop(1), "nvme0n1");
    cr_expect_str_eq(of_loop(2), "", "/srv/my is another folder");
    cr_expect_str_eq(of_loop(3), "nvme1n1", "the later hides the earlier");
}

Test(machine_storage, a_loop_device_of_a_file_on_btrfs_and_btrfs_on_loop_devices)
{
    tree_btrfs("aaaa", "nvme0n1p1", "259:1");
    tree_btrfs("bbbb", "loop0", "7:0");
    tree_btrfs("bbbb", "loop1", "7:1");
    tree_loop(0, "/data/sub/a.img");
    tree_loop(1, "/images/b.img");
    load("30 1 0:35 / /data rw - btrfs /dev/nvme0n1p1 rw\n"
         "31 1 259:3 / /images rw - ext4 /dev/nvme1n1p1 rw\n"
         "32 1 0:36 / /pool rw - btrfs /dev/loop1 rw");
    cr_expect_str_eq(of_loop(0), "nvme0n1");
    cr_expect_str_eq(on_mount(50, 32), "nvme0n1 nvme1n1");
}

Test(machine_storage, a_loop_device_on_a_loop_device)
{
    tree_loop(0, "/inner/a.img");
    tree_loop(1, "/images/b.img");
    load("30 1 7:1 / /inner rw - ext4 /dev/loop1 rw\n"
         "31 1 259:3 / /images rw - ext4 /dev/nvme1n1p1 rw");
    cr_expect_str_eq(of_loop(0), "nvme1n1");
}

Test(machine_storage, files_that_are_deleted_or_not_named)
{
    static char longest[5000];

    memset(longest, 'x', sizeof(longest) - 1);
    longest[0] = '/';
    tree_loop(0, "/images/a.img (deleted)");
    tree_loop(1, "images/a.img");
    tree_loop(2, "");
    tree_loop(3, longest);
    tree_loop(4, "/images/two\nlines (deleted) is its name");
    tree_loop(5, " (deleted)");
    tree_loop(6, "/ (deleted)");
    load("31 1 259:3 / / rw - ext4 /dev/nvme1n1p1 rw");
    for (unsigned i = 0; i <= 6; i++)
        cr_expect_str_eq(of_loop(i), i == 4 ? "nvme1n1" : "", "loop%u", i);
}

Test(machine_storage, what_lies_on_itself_ends)
{
    tree_loop(0, "/one/a.img");
    tree_loop(1, "/two/b.img");
    tree_loop(2, "/three/c.img");
    tree_btrfs("aaaa", "loop2", "7:2");
    tree_btrfs("aaaa", "loop0", "7:0");
    tree_btrfs("aaaa", "nvme0n1", "259:0");
    for (int i = 10; i < 40; i++) {
        char name[16], dev[16];

        snprintf(name, sizeof(name), "loop%d", i);
        snprintf(dev, sizeof(dev), "7:%d", i);
        tree_loop(i, "/three/d.img");
        tree_btrfs("aaaa", name, dev);
    }
    load("30 1 7:1 / /one rw - ext4 /dev/loop1 rw\n"
         "31 1 7:0 / /two rw - ext4 /dev/loop0 rw\n"
         "32 1 0:35 / /three rw - btrfs /dev/loop2 rw");
    cr_expect_str_eq(of_loop(0), "");
    cr_expect_str_eq(of_loop(1), "");
    (void)of_loop(2);
    (void)on_mount(35, 32);
}

Test(machine_storage, nonsense_among_mounts)
{
    static char text[128 * 1024];
    size_t n = 0;

    tree_btrfs("aaaa", "nvme1n1p1", "259:3");
    tree_btrfs("bbbb", "nvme0n1p1", "259:1");
    n += (size_t)snprintf(text, sizeof(text), "\n - \n30\n30 1 0:35 - btrfs /dev/nvme0n1p1 rw\n"
                          "30 1 0:35 / /data rw btrfs /dev/nvme0n1p1 rw\n"
                          "30 1 0 / /data rw - btrfs /dev/nvme0n1p1 rw\n"
                          "30 1 0:35 / /data rw - btrfs\n40 1 0:36 / /long rw - btrfs /");
    memset(text + n, 'x', 40000);
    n += 40000;
    snprintf(text + n, sizeof(text) - n, " 30 1 0:35 / /data rw - btrfs /dev/nvme0n1p1 rw\n"
             "30 1 0:35 / /data rw - btrfs /dev/nvme1n1p1 rw");
    load(text);
    cr_expect_str_eq(on_mount(35, 30), "nvme1n1");
    cr_expect_str_eq(on_mount(36, 40), "", "a source that is too long");
    cr_expect_str_eq(on_mount(35, INT64_MAX), "");
}

Test(machine_storage, a_fifo_is_not_waited_for)
{
    char path[256];

    tree_loop(0, "/a");
    snprintf(path, sizeof(path), "%s/sys/devices/virtual/block/loop0/loop/backing_file", tree);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkfifo(path, 0600), 0);
    load("31 1 259:3 / / rw - ext4 /dev/nvme1n1p1 rw");
    cr_expect_str_eq(of_loop(0), "");
}

// A loop device of this machine, of a new file `path`; -1 with *why when there is none to have. It
// ends with its descriptor.
static int attach(const char *path, int *minor, const char **why)
{
    struct loop_config config = {.info.lo_flags = LO_FLAGS_AUTOCLEAR};
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), fd = -1;
    char device[32];

    *minor = control >= 0 ? ioctl(control, LOOP_CTL_GET_FREE) : -1;
    *why = strerror(errno);
    if (control >= 0)
        close(control);
    if (*minor < 0)
        return -1;
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cr_assert(file >= 0 && ftruncate(file, 1 << 20) == 0);
    snprintf(device, sizeof(device), "/dev/loop%d", *minor);
    fd = open(device, O_RDWR | O_CLOEXEC);
    config.fd = (uint32_t)file;
    if (fd < 0 || ioctl(fd, LOOP_CONFIGURE, &config) != 0) {
        *why = strerror(errno);
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    close(file);
    return fd;
}

Test(machine_storage, a_loop_device_of_this_machine)
{
    char path[128], expected[MACHINE_MEMBERS_MAX * 40];
    const char *why;
    struct stat st;
    int minor, fd;

    snprintf(path, sizeof(path), "%s/a b.img", tree);
    fd = attach(path, &minor, &why);
    if (fd < 0)
        cr_skip_test("no loop device can be made: %s", why);
    cr_assert_eq(machine_load(&m, NULL), 0);
    cr_assert_eq(stat(path, &st), 0);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    strcpy(expected, tree_disks(&m, st.st_dev, mounts_id(file)));
    close(file);
    cr_expect_str_eq(of_loop((unsigned)minor), expected);
    cr_assert_eq(unlink(path), 0);
    cr_expect_str_eq(of_loop((unsigned)minor), "", "its file is deleted");
    close(fd);
    if (expected[0] == '\0')
        cr_skip_test("the file lies on no disk");
}
