// SPDX-License-Identifier: Apache-2.0
//
// The settings of a good host, in files.
#pragma once

#include "test/unit/server/doctor/made_files.h"

static void make_settings(void)
{
    static const char *const files[][2] = {
        {"/proc/1/comm", "systemd\n"},
        {"/proc/77/comm", "millrace\n"},
        {"/proc/sys/net/core/rps_sock_flow_entries", "0\n"},
        {"/proc/sys/net/core/netdev_max_backlog", "1000\n"},
        {"/proc/sys/net/core/default_qdisc", "fq\n"},
        {"/proc/sys/net/core/somaxconn", "4096\n"},
        {"/proc/sys/net/core/busy_poll", "0\n"},
        {"/proc/sys/net/core/busy_read", "0\n"},
        {"/proc/sys/net/ipv4/tcp_congestion_control", "cubic\n"},
        {"/proc/sys/net/ipv4/tcp_available_congestion_control", "reno cubic bbr\n"},
        {"/proc/sys/net/ipv4/tcp_slow_start_after_idle", "0\n"},
        {"/proc/sys/net/ipv4/tcp_wmem", "4096\t16384\t4194304\n"},
        {"/proc/sys/net/ipv4/tcp_notsent_lowat", "4294967295\n"},
        {"/proc/sys/net/ipv4/tcp_window_scaling", "1\n"},
        {"/proc/sys/net/ipv4/tcp_sack", "1\n"},
        {"/proc/sys/net/ipv4/tcp_timestamps", "1\n"},
        {"/proc/sys/net/netfilter/nf_conntrack_max", "262144\n"},
        {"/proc/sys/kernel/io_uring_disabled", "0\n"},
        {"/proc/sys/kernel/io_uring_group", "-1\n"},
        {"/proc/sys/kernel/numa_balancing", "0\n"},
        {"/proc/sys/kernel/osrelease", "6.12.1-amd64\n"},
        {"/proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n"},
        {"/proc/sys/vm/zone_reclaim_mode", "0\n"},
        {"/proc/sys/vm/swappiness", "10\n"},
        {"/proc/sys/fs/file-max", "9223372036854775807\n"},
        {"/proc/sys/fs/nr_open", "1048576\n"},
        {"/proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n"},
        {"/proc/net/tls_stat", "TlsCurrTxSw 0\n"},
        {"/proc/77/limits", "Limit            Soft Limit   Hard Limit   Units\n"
                            "Max open files            524288   524288   files\n"
                            "Max locked memory         unlimited   unlimited   bytes\n"},
        {"/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"},
        {"/sys/kernel/mm/transparent_hugepage/defrag",
         "always defer defer+madvise [madvise] never\n"},
        {"/sys/class/net/bond0/bonding/miimon", "100\n"},
        {"/sys/class/net/bond0/bonding/arp_interval", "0\n"},
        {"/sys/class/net/bond0/bonding/xmit_hash_policy", "layer3+4 1\n"},
    };

    for (size_t i = 0; i < array_len(files); i++)
        put(files[i][0], "%s", files[i][1]);
    for (int p = 0; p < 8; p++) {
        char path[128];

        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpufreq/policy%d/scaling_governor",
                 p);
        put(path, "performance\n");
        snprintf(path, sizeof(path),
                 "/sys/devices/system/cpu/cpufreq/policy%d/scaling_available_governors", p);
        put(path, "performance powersave\n");
    }
}
