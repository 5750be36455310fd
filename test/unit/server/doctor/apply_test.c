// SPDX-License-Identifier: Apache-2.0
//
// Applying and taking back, on a host that is made up.
#include "server/doctor/print_priv.h"
#include "server/doctor/undo_priv.h"
#include "test/unit/server/doctor/expect.h"

TestSuite(apply, .init = doctor_setup, .fini = doctor_teardown);

#define SWAPPINESS "/proc/sys/vm/swappiness"
#define AFFINITY "/proc/irq/51/smp_affinity_list"
#define WMEM "/proc/sys/net/ipv4/tcp_wmem"

static char said[16384];

static const char *undo_file(void)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/var/doctor.undo", root);
    return path;
}

static int apply(void)
{
    FILE *out = fmemopen(said, sizeof(said), "w");

    examine();
    int rc = doctor_apply(&doctor, undo_file(), out);
    fclose(out);
    return rc;
}

static int take_back(unsigned *failed)
{
    FILE *out = fmemopen(said, sizeof(said), "w");

    examine();
    ran[0] = '\0';
    int rc = doctor_take_back(&doctor, undo_file(), out, failed);
    fclose(out);
    return rc;
}

static void spoil(void)
{
    put(SWAPPINESS, "60\n");
    put(AFFINITY, "0-7\n");
    put(WMEM, "4096\t16384\t1048576\n");
}

static void expect_spoilt(void)
{
    cr_expect_str_eq(now(SWAPPINESS), "60\n");
    cr_expect_str_eq(now(AFFINITY), "0-7\n");
    cr_expect_str_eq(now(WMEM), "4096\t16384\t1048576\n");
}

Test(apply, values_change_and_come_back_byte_for_byte)
{
    unsigned failed;

    spoil();
    cr_assert_eq(apply(), 0);
    cr_expect_str_eq(now(SWAPPINESS), "10\n");
    cr_expect_str_eq(now(AFFINITY), "5\n");
    cr_expect_str_eq(now(WMEM), "4096 16384 16777216\n");
    cr_expect_not_null(strstr(said, "sysctl -w vm.swappiness=10: done\n"), "%s", said);
    cr_assert_eq(take_back(&failed), 0);
    cr_expect_eq(failed, 0);
    expect_spoilt();
    cr_expect_eq(access(undo_file(), F_OK), -1);
    cr_expect_eq(take_back(&failed), -ENOENT);
}

static bool was_recorded;

static void look_at_record(const char *const *argv)
{
    (void)argv;
    was_recorded = strstr(now("/var/doctor.undo"), "run ethtool -L eth0 combined 2\n") != NULL;
}

Test(apply, what_there_was_is_on_disk_before_the_change)
{
    made[0].channels.combined = 2;
    made[0].table_size = 0;
    on_run = look_at_record;
    cr_assert_eq(apply(), 0);
    cr_expect(was_recorded);
}

Test(apply, nothing_is_changed_that_cannot_be_recorded)
{
    spoil();
    put("/var", "not a folder");
    cr_expect_lt(apply(), 0);
    expect_spoilt();
}

// The second doctor sees what the first one left, which is not what there was.
Test(apply, after_a_crash_the_first_original_stays)
{
    unsigned failed;

    spoil();
    cr_assert_eq(apply(), 0);
    put(SWAPPINESS, "30\n");
    put(AFFINITY, "1\n");
    cr_assert_eq(apply(), 0);
    cr_expect_str_eq(now(SWAPPINESS), "10\n");
    cr_assert_eq(take_back(&failed), 0);
    expect_spoilt();
}

Test(apply, a_recorded_change_that_was_never_made_is_made_and_taken_back)
{
    unsigned failed;

    spoil();
    put("/var/doctor.undo", "millrace-doctor-undo 1\nboot 11111111-2222-3333-4444-555555555555\n"
                            "write " AFFINITY " 0-7\\x0a\n");
    cr_assert_eq(chmod(undo_file(), 0600), 0);
    cr_assert_eq(apply(), 0);
    cr_expect_str_eq(now(AFFINITY), "5\n");
    cr_assert_eq(take_back(&failed), 0);
    expect_spoilt();
}

// One change may call for another: both are made at once.
Test(apply, a_second_examination_finds_nothing_more)
{
    spoil();
    put("/proc/sys/net/ipv4/tcp_congestion_control", "reno\n");
    put("/proc/sys/net/core/default_qdisc", "pfifo_fast\n");
    for (int q = 1; q < 4; q++) {
        char path[128];

        snprintf(path, sizeof(path), "/sys/class/net/eth1/queues/rx-%d/rps_cpus", q);
        drop(path);
        snprintf(path, sizeof(path), "/sys/class/net/eth1/queues/rx-%d/rps_flow_cnt", q);
        drop(path);
        snprintf(path, sizeof(path), "/sys/class/net/eth1/queues/rx-%d", q);
        drop(path);
    }
    made[1].channels = (struct nic_channels){.combined = 1, .combined_max = 1};
    cr_assert_eq(apply(), 0);
    cr_expect_str_eq(now("/sys/class/net/eth1/queues/rx-0/rps_cpus"), "f0\n");
    examine();
    for (const struct finding *f = doctor.findings; f != NULL; f = f->next)
        cr_expect_eq(f->severity, SEVERITY_OK, "%s, %s: %s", f->check->id, f->where, f->found);
}

Test(apply, commands_are_run_and_taken_back_in_reverse)
{
    unsigned failed;

    made[0].channels.combined = 2;
    made[1].table[0] = 1;
    put("/proc/812/comm", "irqbalance\n");
    *feature_of(1, "rx-gro") = (struct nic_feature){.available = true};
    cr_assert_eq(apply(), 0);
    cr_expect_str_eq(ran, "systemctl stop irqbalance\n"
                          "ethtool -L eth0 combined 4\n"
                          "ethtool -X eth1 equal 4\n"
                          "ethtool -K eth1 rx-gro on\n");
    cr_assert_eq(take_back(&failed), 0);
    cr_expect_str_eq(ran, "ethtool -K eth1 rx-gro off\n"
                          "ethtool -X eth1 weight 3 5 4 4\n"
                          "ethtool -L eth0 combined 2\n"
                          "systemctl start irqbalance\n");
}

// As drivers do: new queues come with new interrupts, which go anywhere.
static void renew_queues(const char *const *argv)
{
    if (strcmp(argv[1], "-L") != 0)
        return;
    made[0].channels.combined = 4;
    put("/proc/irq/43/smp_affinity_list", "0-7\n");
}

Test(apply, what_new_queues_bring_is_seen)
{
    made[0].channels.combined = 2;
    made[0].table_size = 0;
    on_run = renew_queues;
    cr_assert_eq(apply(), 0);
    cr_expect_str_eq(now("/proc/irq/43/smp_affinity_list"), "3\n");
    cr_expect_eq(doctor_left(&doctor), 0);
}

Test(apply, a_command_that_fails_is_said)
{
    made[0].channels.combined = 2;
    made[0].table_size = 0;
    run_status = 1;
    cr_assert_eq(apply(), 0);
    cr_expect_not_null(strstr(said, "ethtool -L eth0 combined 4: failed: exit status 1\n"), "%s",
                       said);
    cr_expect_eq(doctor_left(&doctor), 1);
    run_rc = -ENOENT;
    cr_assert_eq(apply(), 0);
    cr_expect_not_null(strstr(said, "failed: ethtool is not installed\n"), "%s", said);
}

Test(apply, what_cannot_be_taken_back_is_kept)
{
    unsigned failed;

    spoil();
    made[0].channels.combined = 2;
    made[0].table_size = 0;
    cr_assert_eq(apply(), 0);
    run_status = 75;
    cr_assert_eq(take_back(&failed), 0);
    cr_expect_eq(failed, 1);
    expect_spoilt();
    cr_expect_str_eq(now("/var/doctor.undo"), "millrace-doctor-undo 1\n"
                                              "boot 11111111-2222-3333-4444-555555555555\n"
                                              "run ethtool -L eth0 combined 2\n");
    run_status = 0;
    cr_assert_eq(take_back(&failed), 0);
    cr_expect_eq(failed, 0);
    cr_expect_str_eq(now("/var/doctor.undo"), "(none)");
}

Test(apply, an_interrupt_that_is_gone_needs_no_taking_back)
{
    unsigned failed;

    spoil();
    cr_assert_eq(apply(), 0);
    drop(AFFINITY);
    cr_assert_eq(take_back(&failed), 0);
    cr_expect_eq(failed, 0);
    cr_expect_str_eq(now(SWAPPINESS), "60\n");
}

Test(apply, settings_of_an_earlier_boot_are_not_taken_back)
{
    unsigned failed;

    spoil();
    cr_assert_eq(apply(), 0);
    put("/proc/sys/kernel/random/boot_id", "99999999-2222-3333-4444-555555555555\n");
    put(SWAPPINESS, "33\n");
    cr_expect_eq(take_back(&failed), -ENOENT);
    cr_expect_str_eq(now(SWAPPINESS), "33\n");
    cr_expect_str_eq(now("/var/doctor.undo"), "(none)");
    // Nor do they stand in the way of what there is now.
    cr_assert_eq(apply(), 0);
    cr_assert_eq(take_back(&failed), 0);
    cr_expect_str_eq(now(SWAPPINESS), "33\n");
}

Test(apply, a_hostile_undo_file_changes_nothing)
{
    unsigned failed;

    spoil();
    put("/etc/shadow", "root\n");
    put("/var/doctor.undo", "millrace-doctor-undo 1\nboot -\n"
                            "write /proc/sys/vm/swappiness 99\\x0a\n"
                            "write /etc/shadow x\\x0a\n");
    cr_assert_eq(chmod(undo_file(), 0600), 0);
    cr_expect_eq(take_back(&failed), -EINVAL);
    cr_expect_eq(apply(), -EINVAL);
    expect_spoilt();
    cr_expect_str_eq(now("/etc/shadow"), "root\n");
}

Test(apply, a_name_that_is_an_option_is_not_run)
{
    snprintf(links[0].name, sizeof(links[0].name), "--flash");
    made[0].channels.combined = 2;
    made[0].table_size = 0;
    cr_assert_eq(apply(), 0);
    cr_expect_str_eq(ran, "");
    cr_expect_not_null(strstr(said, "not of a form that is safe to run"), "%s", said);
}
