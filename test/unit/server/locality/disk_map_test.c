// SPDX-License-Identifier: Apache-2.0
#include "server/locality/disk_map.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include "lib/topo/mounts.h"
#include "test/unit/lib/topo/tree_disks_fixture.h"

static struct disk_map map;
static struct machine m;

static void setup(void)
{
    tree_two_disks();
    tree_stacked("md0", "9:0", (const char *const[]){"259:1", "259:3", NULL});
}

static void teardown(void)
{
    machine_free(&m);
    tree_end();
}

TestSuite(disk_map, .init = setup, .fini = teardown);

Test(disk_map, a_new_device_asks_once_and_is_answered)
{
    bool ask;

    cr_assert_eq(machine_load(&m, tree), 0);
    cr_expect_eq(disk_map_node(&map, makedev(259, 3), -1, &ask), -1);
    cr_expect(ask);
    cr_expect_eq(disk_map_node(&map, makedev(259, 3), -1, &ask), -1);
    cr_expect_not(ask);
    disk_map_answer(&map, &m);
    cr_expect_eq(disk_map_node(&map, makedev(259, 3), -1, &ask), 1);
    cr_expect_not(ask);
}

Test(disk_map, disks_of_several_nodes_are_on_none)
{
    bool ask;

    cr_assert_eq(machine_load(&m, tree), 0);
    disk_map_node(&map, makedev(9, 0), -1, &ask);
    disk_map_answer(&map, &m);
    cr_expect_eq(disk_map_node(&map, makedev(9, 0), -1, &ask), -1);
    cr_expect_not(ask);
}

// The kernel tells the mount of the test's own folder, and the tree what lies there.
Test(disk_map, a_subvolume_is_found_by_the_mount_of_its_file)
{
    int fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char line[128];
    bool ask;

    cr_assert_geq(fd, 0);
    if (mounts_id(fd) == MOUNT_UNKNOWN)
        cr_skip_test("this kernel does not tell mounts (Linux 5.8)");
    snprintf(line, sizeof(line), "%lld 1 0:35 / /data rw - btrfs /dev/nvme1n1p1 rw",
             (long long)mounts_id(fd));
    tree_put(line, "proc/self/mountinfo");
    tree_btrfs("aaaa", "nvme1n1p1", "259:3");
    cr_assert_eq(machine_load(&m, tree), 0);
    disk_map_node(&map, makedev(0, 99), fd, &ask);
    disk_map_answer(&map, &m);
    cr_expect_eq(disk_map_node(&map, makedev(0, 99), fd, &ask), 1);
    disk_map_node(&map, makedev(0, 100), -1, &ask);
    disk_map_answer(&map, &m);
    cr_expect_eq(disk_map_node(&map, makedev(0, 100), -1, &ask), -1, "no file to ask by");
    close(fd);
}
