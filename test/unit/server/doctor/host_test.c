// SPDX-License-Identifier: Apache-2.0
//
// What is found about TCP, the kernel, memory, limits and kernel TLS.
#include "test/unit/server/doctor/expect.h"

TestSuite(host, .init = doctor_setup, .fini = doctor_teardown);

#define NET "/proc/sys/net/"

static void expect_setting(const char *id, enum severity severity, const char *where,
                           const char *found, const char *apply, const char *undo)
{
    examine();
    expect_found(id, severity, where, found);
    cr_expect_eq(count_changes(id), 1);
    expect_change(id, 0, apply, undo);
}

Test(host, congestion_control)
{
    put(NET "ipv4/tcp_congestion_control", "reno\n");
    expect_setting("tcp-congestion", SEVERITY_WARNING, "network", "tcp_congestion_control is reno",
                   "sysctl -w net.ipv4.tcp_congestion_control=bbr",
                   "sysctl -w net.ipv4.tcp_congestion_control=reno");
    put(NET "core/default_qdisc", "fq_codel\n");
    examine();
    expect_change("tcp-congestion", 1, "sysctl -w net.core.default_qdisc=fq",
                  "sysctl -w net.core.default_qdisc=fq_codel");
    put(NET "ipv4/tcp_available_congestion_control", "reno notbbr bbrplus cubic\n");
    examine();
    expect_change("tcp-congestion", 0, "sysctl -w net.ipv4.tcp_congestion_control=cubic",
                  "sysctl -w net.ipv4.tcp_congestion_control=reno");
}

Test(host, bbr_wants_fq)
{
    put(NET "core/default_qdisc", "pfifo_fast\n");
    examine();
    expect_absent("tcp-qdisc");
    put(NET "ipv4/tcp_congestion_control", "bbr\n");
    expect_setting("tcp-qdisc", SEVERITY_ADVICE, "network", "default_qdisc is pfifo_fast with bbr",
                   "sysctl -w net.core.default_qdisc=fq",
                   "sysctl -w net.core.default_qdisc=pfifo_fast");
    expect_by_hand("tcp-qdisc", 0, "for eth0 as it runs: tc qdisc replace dev eth0 root mq");
}

Test(host, slow_start_after_idle_says_nothing_to_bbr)
{
    put(NET "ipv4/tcp_slow_start_after_idle", "1\n");
    expect_setting("tcp-idle", SEVERITY_ADVICE, "network", "tcp_slow_start_after_idle is 1",
                   "sysctl -w net.ipv4.tcp_slow_start_after_idle=0",
                   "sysctl -w net.ipv4.tcp_slow_start_after_idle=1");
    put(NET "ipv4/tcp_congestion_control", "bbr\n");
    examine();
    expect_absent("tcp-idle");
}

Test(host, send_buffers)
{
    put(NET "ipv4/tcp_wmem", "4096\t16384\t1048576\n");
    expect_setting("tcp-wmem", SEVERITY_WARNING, "network",
                   "tcp_wmem lets a send buffer grow to 1048576 bytes",
                   "sysctl -w 'net.ipv4.tcp_wmem=4096 16384 16777216'",
                   "sysctl -w $'net.ipv4.tcp_wmem=4096\\t16384\\t1048576'");
    put(NET "ipv4/tcp_wmem", "4096 16384\n");
    examine();
    expect_absent("tcp-wmem");
}

Test(host, other_tcp_settings)
{
    put(NET "ipv4/tcp_notsent_lowat", "4096\n");
    expect_setting("tcp-notsent", SEVERITY_ADVICE, "network", "tcp_notsent_lowat is 4096",
                   "sysctl -w net.ipv4.tcp_notsent_lowat=131072",
                   "sysctl -w net.ipv4.tcp_notsent_lowat=4096");
    put(NET "core/somaxconn", "128\n");
    expect_setting("tcp-backlog", SEVERITY_WARNING, "network", "somaxconn is 128",
                   "sysctl -w net.core.somaxconn=4096", "sysctl -w net.core.somaxconn=128");
    put(NET "ipv4/tcp_sack", "0\n");
    expect_setting("tcp-options", SEVERITY_PROBLEM, "network", "tcp_sack is 0",
                   "sysctl -w net.ipv4.tcp_sack=1", "sysctl -w net.ipv4.tcp_sack=0");
    put(NET "core/busy_read", "50\n");
    expect_setting("busy-poll", SEVERITY_ADVICE, "network", "busy_read is 50",
                   "sysctl -w net.core.busy_read=0", "sysctl -w net.core.busy_read=50");
}

Test(host, io_uring_that_is_refused)
{
    put("/proc/sys/kernel/io_uring_disabled", "2\n");
    expect_setting("io-uring", SEVERITY_PROBLEM, "kernel", "io_uring_disabled is 2",
                   "sysctl -w kernel.io_uring_disabled=0", "sysctl -w kernel.io_uring_disabled=2");
    put("/proc/sys/kernel/io_uring_disabled", "1\n");
    examine();
    cr_expect_eq(only("io-uring")->severity, SEVERITY_PROBLEM);
    put("/proc/sys/kernel/io_uring_group", "990\n");
    examine();
    cr_expect_eq(only("io-uring")->severity, SEVERITY_ADVICE);
}

Test(host, a_kernel_without_the_io_uring_switch)
{
    drop("/proc/sys/kernel/io_uring_disabled");
    examine();
    expect_absent("io-uring");
}

Test(host, numa_balancing)
{
    put("/proc/sys/kernel/numa_balancing", "1\n");
    expect_setting("numa-balancing", SEVERITY_WARNING, "kernel", "numa_balancing is 1",
                   "sysctl -w kernel.numa_balancing=0", "sysctl -w kernel.numa_balancing=1");
    put("/proc/sys/kernel/numa_balancing", "2\n");
    examine();
    expect_good("numa-balancing");
}

Test(host, frequency_governor)
{
    put("/sys/devices/system/cpu/cpufreq/policy3/scaling_governor", "powersave\n");
    put("/sys/devices/system/cpu/cpufreq/policy5/scaling_governor", "powersave\n");
    examine();
    expect_found("cpu-governor", SEVERITY_ADVICE, "CPUs", "the frequency governor is powersave");
    cr_expect_eq(count_changes("cpu-governor"), 2);
    expect_change("cpu-governor", 1,
                  "echo performance > /sys/devices/system/cpu/cpufreq/policy5/scaling_governor",
                  "echo powersave > /sys/devices/system/cpu/cpufreq/policy5/scaling_governor");
}

Test(host, transparent_huge_pages)
{
    put("/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n");
    expect_setting("thp", SEVERITY_ADVICE, "memory", "transparent_hugepage/enabled is always",
                   "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
                   "echo always > /sys/kernel/mm/transparent_hugepage/enabled");
    put("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
    put("/sys/kernel/mm/transparent_hugepage/defrag", "[always] defer madvise never\n");
    expect_setting("thp-defrag", SEVERITY_WARNING, "memory",
                   "transparent_hugepage/defrag is always",
                   "echo madvise > /sys/kernel/mm/transparent_hugepage/defrag",
                   "echo always > /sys/kernel/mm/transparent_hugepage/defrag");
    expect_good("thp");
    put("/sys/kernel/mm/transparent_hugepage/defrag", "[always madvise\n");
    examine();
    expect_absent("thp-defrag");
}

Test(host, zone_reclaim)
{
    put("/proc/sys/vm/zone_reclaim_mode", "1\n");
    expect_setting("zone-reclaim", SEVERITY_WARNING, "memory", "zone_reclaim_mode is 1",
                   "sysctl -w vm.zone_reclaim_mode=0", "sysctl -w vm.zone_reclaim_mode=1");
}

Test(host, swap)
{
    put("/proc/sys/vm/swappiness", "60\n");
    expect_setting("swap", SEVERITY_ADVICE, "memory", "swappiness is 60",
                   "sysctl -w vm.swappiness=10", "sysctl -w vm.swappiness=60");
    put("/proc/swaps", "Filename Type Size Used Priority\n");
    examine();
    expect_absent("swap");
}

Test(host, open_files_of_the_running_master)
{
    put("/proc/77/limits", "Max open files            1024   524288   files\n");
    examine();
    expect_found("nofile", SEVERITY_WARNING, "running master",
                 "1024 open files for a process, a silo may want 132096");
    expect_by_hand("nofile", 0, "in the main context of the configuration: "
                                "worker_rlimit_nofile 132096;");
    options.worker_rlimit_nofile = 200000;
    examine();
    expect_good("nofile");
}

Test(host, open_files_count_for_each_silo)
{
    put("/proc/77/limits", "Max open files            70000   70000   files\n");
    examine();
    cr_expect_eq(only("nofile")->severity, SEVERITY_WARNING);
    options.silo_workers = 4;
    examine();
    expect_good("nofile");
}

Test(host, an_unknown_configuration_asks_for_nothing)
{
    options.worker_connections = 0;
    put("/proc/77/limits", "Max open files            10   10   files\n");
    put("/proc/sys/fs/file-max", "10\n");
    examine();
    expect_absent("nofile");
    expect_absent("file-max");
    expect_absent("nr-open");
    expect_absent("conntrack");
}

Test(host, file_tables)
{
    put("/proc/sys/fs/file-max", "100000\n");
    expect_setting("file-max", SEVERITY_WARNING, "limits",
                   "file-max is 100000 for the whole machine, the workers may want 132096",
                   "sysctl -w fs.file-max=264192", "sysctl -w fs.file-max=100000");
    put("/proc/sys/fs/nr_open", "65536\n");
    expect_setting("nr-open", SEVERITY_WARNING, "limits",
                   "nr_open is 65536, a process may want 132096",
                   "sysctl -w fs.nr_open=132096", "sysctl -w fs.nr_open=65536");
}

Test(host, connection_tracking)
{
    put(NET "netfilter/nf_conntrack_max", "65536\n");
    expect_setting("conntrack", SEVERITY_PROBLEM, "limits",
                   "nf_conntrack_max is 65536 for 65536 connections",
                   "sysctl -w net.netfilter.nf_conntrack_max=262144",
                   "sysctl -w net.netfilter.nf_conntrack_max=65536");
    drop(NET "netfilter/nf_conntrack_max");
    examine();
    expect_absent("conntrack");
}

Test(host, locked_memory)
{
    put("/proc/77/limits", "Max locked memory         8388608   8388608   bytes\n");
    examine();
    expect_found("memlock", SEVERITY_ADVICE, "running master", "8192 KiB of locked memory");
    expect_by_hand("memlock", 0, "in the unit ([Service]): LimitMEMLOCK=infinity");
}

Test(host, kernel_tls_that_is_not_loaded)
{
    drop("/proc/net/tls_stat");
    put("/lib/modules/6.12.1-amd64/kernel/net/tls/tls.ko.xz", "x");
    expect_setting("ktls", SEVERITY_WARNING, "kernel", "the tls module is not loaded",
                   "modprobe tls", "modprobe -r tls");
    put("/sys/module/tls/refcnt", "0\n");
    examine();
    expect_good("ktls");
}

Test(host, kernel_tls_that_is_not_there)
{
    drop("/proc/net/tls_stat");
    examine();
    expect_found("ktls", SEVERITY_WARNING, "kernel",
                 "kernel TLS is not there, as a module or built in");
    cr_expect_null(only("ktls")->changes);
}
