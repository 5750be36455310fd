// SPDX-License-Identifier: Apache-2.0
//
// The undo file: what is written is read back, and nothing else is believed.
#include <errno.h>

#include "server/doctor/rules_priv.h"
#include "server/doctor/undo_priv.h"
#include "test/unit/server/doctor/made_files.h"

#define HEAD "millrace-doctor-undo 1\nboot 1234-abcd\n"

static struct undo_log undo;

static void setup(void)
{
    make_root();
    undo_log_init(&undo, "1234-abcd");
}

static void teardown(void)
{
    undo_log_free(&undo);
    remove_root();
}

TestSuite(undo, .init = setup, .fini = teardown);

static struct step write_step(const char *path, const char *value)
{
    return (struct step){.path = path, .value = value};
}

static int parse(const char *text, unsigned *line)
{
    return undo_log_parse(&undo, sv_from(text), line);
}

static void expect_refused(const char *text, unsigned line)
{
    unsigned at;

    cr_expect_eq(parse(text, &at), -EINVAL, "%s", text);
    cr_expect_eq(at, line, "line %u: %s", at, text);
}

static void expect_entry_refused(const char *entry)
{
    char text[512];

    snprintf(text, sizeof(text), HEAD "%s\n", entry);
    expect_refused(text, 3);
}

Test(undo, what_is_written_is_read_back)
{
    const char *const argv[] = {"ethtool", "-X", "eth0", "weight", "8", "8", "0", NULL};
    struct step run = {.argv = argv};
    struct step a = write_step("/proc/irq/41/smp_affinity_list", "0-3\n");
    struct step b = write_step("/proc/sys/net/ipv4/tcp_wmem", "4096\t16384\t4194304\n");
    unsigned line;
    size_t n;

    cr_assert_eq(undo_log_add(&undo, &a), 0);
    cr_assert_eq(undo_log_add(&undo, &run), 0);
    cr_assert_eq(undo_log_add(&undo, &b), 0);
    char *text = undo_log_format(&undo, &n);
    cr_expect_str_eq(text, HEAD "write /proc/irq/41/smp_affinity_list 0-3\\x0a\n"
                                "run ethtool -X eth0 weight 8 8 0\n"
                                "write /proc/sys/net/ipv4/tcp_wmem "
                                "4096\\x0916384\\x094194304\\x0a\n");
    cr_assert_eq(parse(text, &line), 0);
    free(text);
    cr_assert_eq(undo.n, 3);
    cr_expect_str_eq(undo.boot, "1234-abcd");
    cr_expect_str_eq(undo.steps[0].value, "0-3\n");
    cr_expect_str_eq(undo.steps[1].argv[6], "0");
    cr_expect_null(undo.steps[1].argv[7]);
    cr_expect_str_eq(undo.steps[2].value, "4096\t16384\t4194304\n");
}

Test(undo, a_file_of_another_kind_is_refused)
{
    expect_refused("", 1);
    expect_refused("\n", 1);
    expect_refused("millrace-doctor-undo 2\nboot 1\n", 1);
    expect_refused("millrace-doctor-undo 1\n", 2);
    expect_refused("millrace-doctor-undo 1\nboot \n", 2);
    expect_refused("millrace-doctor-undo 1\nboot ../../x\n", 2);
    expect_refused(HEAD "write /proc/sys/vm/swappiness 60\\x0a", 3);
    expect_refused(HEAD "\n", 3);
    unsigned line;
    cr_expect_eq(parse(HEAD, &line), 0);
}

Test(undo, paths_that_the_doctor_does_not_write)
{
    expect_entry_refused("write /etc/shadow x\\x0a");
    expect_entry_refused("write /proc/sys/kernel/core_pattern |/tmp/x\\x0a");
    expect_entry_refused("write /proc/sys/kernel/modprobe /tmp/x\\x0a");
    expect_entry_refused("write /proc/irq/../../etc/passwd/smp_affinity_list 0\\x0a");
    expect_entry_refused("write /proc/irq//smp_affinity_list 0\\x0a");
    expect_entry_refused("write /proc/irq/99999999999/smp_affinity_list 0\\x0a");
    expect_entry_refused("write /sys/class/net/../bonding/miimon 0\\x0a");
    expect_entry_refused("write /sys/class/net/a/b/bonding/miimon 0\\x0a");
    expect_entry_refused("write /sys/class/net/a\\x0ab/bonding/miimon 0\\x0a");
    expect_entry_refused("write /sys/class/net/aaaaaaaaaaaaaaaa/bonding/miimon 0\\x0a");
    expect_entry_refused("write proc/sys/vm/swappiness 60\\x0a");
    expect_entry_refused("write /proc/sys/vm/swappiness/ 60\\x0a");
    expect_entry_refused("write /proc/sys/vm/swappinessX 60\\x0a");
}

Test(undo, commands_that_the_doctor_does_not_run)
{
    expect_entry_refused("run rm -rf /");
    expect_entry_refused("run");
    expect_entry_refused("run ethtool");
    expect_entry_refused("run /tmp/ethtool -L eth0 combined 4");
    expect_entry_refused("run ethtool -L --flash combined 4");
    expect_entry_refused("run ethtool -L eth0 combined 4 rx 4");
    expect_entry_refused("run ethtool -L eth0 combined -1");
    expect_entry_refused("run ethtool -f eth0 firmware");
    expect_entry_refused("run ethtool -K eth0 tx maybe");
    expect_entry_refused("run ethtool -K eth0 --x on");
    expect_entry_refused("run ethtool -X eth0 weight");
    expect_entry_refused("run ethtool -X eth0 weight 1 x");
    expect_entry_refused("run modprobe -r ext4");
    expect_entry_refused("run modprobe evil");
    expect_entry_refused("run systemctl start sshd");
    expect_entry_refused("run  modprobe tls");
    expect_entry_refused("run modprobe tls ");
}

Test(undo, values_and_escapes)
{
    expect_entry_refused("write /proc/sys/vm/swappiness");
    expect_entry_refused("write /proc/sys/vm/swappiness 60\\x0a more");
    expect_entry_refused("write /proc/sys/vm/swappiness 6\\x000");
    expect_entry_refused("write /proc/sys/vm/swappiness 60\\x0");
    expect_entry_refused("write /proc/sys/vm/swappiness 60\\");
    expect_entry_refused("write /proc/sys/vm/swappiness 60\\n");
    expect_entry_refused("write /proc/sys/vm/swappiness 60\\x0A");
    expect_entry_refused("write /proc/sys/vm/swappiness 60\\x0a61\\x0a");
    expect_entry_refused("write /proc/sys/vm/swappiness 60\xff");
    expect_entry_refused("read /proc/sys/vm/swappiness 60\\x0a");
}

Test(undo, one_setting_twice_is_refused)
{
    expect_refused(HEAD "write /proc/sys/vm/swappiness 60\\x0a\n"
                        "write /proc/sys/vm/swappiness 10\\x0a\n", 4);
    expect_refused(HEAD "run ethtool -K eth0 rx-gro on\nrun ethtool -K eth1 rx-gro on\n"
                        "run ethtool -K eth0 rx-gro off\n", 5);
}

Test(undo, every_cut_and_every_changed_byte_is_refused_or_harmless)
{
    const char *good = HEAD "write /proc/irq/41/smp_affinity_list 0-3\\x0a\n"
                            "run ethtool -G eth0 rx 512 tx 512\n";
    size_t n = strlen(good);
    char *text = strdup(good);
    unsigned line;

    for (size_t i = 0; i < n; i++) {
        if (undo_log_parse(&undo, sv_of(good, i), &line) == 0)
            cr_expect(i > 0 && good[i - 1] == '\n', "cut at %zu", i);
        for (int byte = 0; byte < 256; byte++) {
            text[i] = (char)byte;
            if (undo_log_parse(&undo, sv_of(text, n), &line) != 0)
                continue;
            for (unsigned s = 0; s < undo.n; s++)
                cr_assert(step_allowed(&undo.steps[s]), "byte %zu is %d", i, byte);
        }
        text[i] = good[i];
    }
    free(text);
}

static char *file(void)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/doctor.undo", root);
    return path;
}

static int load(void)
{
    unsigned line;

    return undo_log_load(&undo, file(), &line);
}

Test(undo, the_file_is_for_one_user_alone)
{
    struct step a = write_step("/proc/sys/vm/swappiness", "60\n");
    struct stat st;

    cr_expect_eq(load(), -ENOENT);
    cr_assert_eq(undo_log_add(&undo, &a), 0);
    cr_assert_eq(undo_log_save(&undo, file()), 0);
    cr_assert_eq(stat(file(), &st), 0);
    cr_expect_eq(st.st_mode & 07777, 0600);
    cr_expect_eq(load(), 0);
    cr_expect_eq(undo.n, 1);
    cr_assert_eq(chmod(file(), 0620), 0);
    cr_expect_eq(load(), -EPERM);
    cr_assert_eq(chmod(file(), 0602), 0);
    cr_expect_eq(load(), -EPERM);
    undo_log_free(&undo);
    cr_assert_eq(undo_log_save(&undo, file()), 0);
    cr_expect_eq(load(), -ENOENT);
}

Test(undo, a_link_a_folder_and_a_pipe_are_refused)
{
    cr_assert_eq(symlink("/etc/hostname", file()), 0);
    cr_expect_eq(load(), -EPERM);
    cr_assert_eq(unlink(file()), 0);
    cr_assert_eq(mkdir(file(), 0700), 0);
    cr_expect_eq(load(), -EPERM);
    cr_assert_eq(rmdir(file()), 0);
    cr_assert_eq(mkfifo(file(), 0600), 0);
    cr_expect_eq(load(), -EPERM);
}

Test(undo, a_file_of_another_user_is_refused)
{
    if (geteuid() != 0)
        cr_skip("only root can give files away");
    put("/doctor.undo", "%s", HEAD);
    cr_assert_eq(chmod(file(), 0600), 0);
    cr_assert_eq(chown(file(), 65534, 65534), 0);
    cr_expect_eq(load(), -EPERM);
}

Test(undo, two_doctors_do_not_work_at_once)
{
    int fd = undo_lock(file(), true);

    cr_assert_geq(fd, 0);
    cr_expect_eq(undo_lock(file(), true), -EWOULDBLOCK);
    close(fd);
    fd = undo_lock(file(), false);
    cr_expect_geq(fd, 0);
    close(fd);
}
