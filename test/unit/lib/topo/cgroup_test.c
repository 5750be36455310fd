// SPDX-License-Identifier: Apache-2.0
//
// Bandwidth limits, in control group trees made of plain files.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/topo/topo_priv.h"

static char root[64], proc[80];

static void put(const char *path, const char *text)
{
    char command[512];

    snprintf(command, sizeof(command), "mkdir -p \"$(dirname %s/%s)\" && printf '%%b' '%s' > %s/%s",
             root, path, text, root, path);
    cr_assert_eq(system(command), 0);
}

static void setup(void)
{
    snprintf(root, sizeof(root), "/tmp/cgroup_test.XXXXXX");
    cr_assert_not_null(mkdtemp(root));
    snprintf(proc, sizeof(proc), "%s/proc", root);
}

static void teardown(void)
{
    char command[96];

    snprintf(command, sizeof(command), "rm -rf %s", root);
    cr_expect_eq(system(command), 0);
}

TestSuite(cgroup, .init = setup, .fini = teardown);

Test(cgroup, version_2_rounds_up)
{
    put("proc", "0::/a/b\\n");
    put("a/b/cpu.max", "150000 100000\\n");
    cr_expect_eq(topo_cgroup_quota(proc, root), 2);
    put("a/b/cpu.max", "200000 100000\\n");
    cr_expect_eq(topo_cgroup_quota(proc, root), 2);
    put("a/b/cpu.max", "1000 100000\\n");
    cr_expect_eq(topo_cgroup_quota(proc, root), 1);
    put("a/b/cpu.max", "max 100000\\n");
    cr_expect_eq(topo_cgroup_quota(proc, root), 0);
}

Test(cgroup, an_ancestor_may_be_tighter)
{
    put("proc", "0::/a/b\\n");
    put("a/b/cpu.max", "800000 100000\\n");
    put("a/cpu.max", "300000 100000\\n");
    cr_expect_eq(topo_cgroup_quota(proc, root), 3);
}

Test(cgroup, in_a_container_the_mount_is_the_group)
{
    put("proc", "0::/\\n");
    put("cpu.max", "400000 100000\\n");
    cr_expect_eq(topo_cgroup_quota(proc, root), 4);
    put("proc", "0::/path/of/the/host\\n");
    cr_expect_eq(topo_cgroup_quota(proc, root), 4);
}

Test(cgroup, version_1)
{
    put("proc", "9:memory:/m\\n4:cpu,cpuacct:/x\\n0::/\\n");
    put("cpu,cpuacct/x/cpu.cfs_quota_us", "250000\\n");
    put("cpu,cpuacct/x/cpu.cfs_period_us", "100000\\n");
    cr_expect_eq(topo_cgroup_quota(proc, root), 3);
    put("cpu,cpuacct/x/cpu.cfs_quota_us", "-1\\n");
    cr_expect_eq(topo_cgroup_quota(proc, root), 0);
}

Test(cgroup, cpuacct_and_cpuset_are_not_cpu)
{
    put("proc", "4:cpuset:/x\\n3:cpuacct:/x\\n");
    put("cpu/x/cpu.cfs_quota_us", "100000\\n");
    put("cpu/x/cpu.cfs_period_us", "100000\\n");
    cr_expect_eq(topo_cgroup_quota(proc, root), 0);
}

Test(cgroup, nonsense_is_no_limit)
{
    cr_expect_eq(topo_cgroup_quota("/nonexistent", root), 0);
    put("proc", "nonsense\\n::\\n0::/a\\n");
    put("a/cpu.max", "lots of time\\n");
    cr_expect_eq(topo_cgroup_quota(proc, root), 0);
}
