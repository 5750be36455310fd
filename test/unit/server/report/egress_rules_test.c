// SPDX-License-Identifier: Apache-2.0
//
// The commands, and what is run of them, with a tc that writes down how it was called. That they
// have the effect, the lab's test_egress.py shows.
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h> // before the kernel's own header of that name
#include <linux/if_bonding.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/topo/machine.h"
#include "server/report/command.h"
#include "server/report/egress_rules.h"

static char folder[] = "/tmp/egress_rules_XXXXXX";
static char *text;
static struct machine_link links[4];
static struct machine machine;

// Files beside it decide: "ours" and "others" are what filters it shows, and the command that
// "fail" holds fails.
static const char script[] =
    "#!/bin/sh\n"
    "cd \"$(dirname \"$0\")\"\n"
    "case \"$*\" in\n"
    "*filter\\ show*pref*) [ -f ours ] && cat ours; exit 0;;\n"
    "*filter\\ show*egress) [ -f others ] && cat others; exit 0;;\n"
    "*filter\\ show*) exit 0;;\n"
    "esac\n"
    "echo \"$*\" >> log\n"
    "if [ -f fail ] && [ \"$*\" = \"$(cat fail)\" ]; then echo 'Error: no.' >&2; exit 2; fi\n"
    "case \"$*\" in *filter\\ del*) rm -f ours;; esac\n";

static void put_file(const char *name, const char *content, mode_t mode)
{
    char path[64];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fputs(content, f);
    fclose(f);
    cr_assert_eq(chmod(path, mode), 0);
}

static const char *log_text(void)
{
    static char content[4096];
    char path[64];
    ssize_t n;

    snprintf(path, sizeof(path), "%s/log", folder);
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return "";
    n = read(fd, content, sizeof(content) - 1);
    close(fd);
    content[n > 0 ? n : 0] = '\0';
    return content;
}

static void setup(void)
{
    machine = (struct machine){.links = links, .nlinks = 3};
    links[0] = (struct machine_link){.index = 3, .kind = LINK_PHYSICAL, .node = 0, .name = "eth0",
                                     .master = 9, .transmits = true};
    links[1] = (struct machine_link){.index = 4, .kind = LINK_PHYSICAL, .node = 1, .name = "eth1",
                                     .master = 9, .position = 1};
    links[2] = (struct machine_link){.index = 9, .kind = LINK_BOND, .name = "bond0",
                                     .node = MACHINE_NODE_UNKNOWN, .bond_mode = BOND_MODE_8023AD};
    cr_assert_not_null(mkdtemp(folder));
    put_file("tc", script, 0755);
    char path[256];
    snprintf(path, sizeof(path), "%s:%s", folder, getenv("PATH"));
    setenv("PATH", path, 1);
}

static void teardown(void)
{
    static const char *const names[] = {"tc", "log", "ours", "others", "fail"};
    char path[64];

    for (size_t i = 0; i < array_len(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    free(text);
}

TestSuite(egress_rules, .init = setup, .fini = teardown);

static int command(enum egress_rules_action action, bool json)
{
    size_t size;
    FILE *out = open_memstream(&text, &size);
    int rc = egress_rules_command(&machine, action, json, out);

    fclose(out);
    return rc;
}

#define QDISC "qdisc replace dev bond0 clsact\n"
#define FILTER(handle, name)                                                                  \
    "filter replace dev bond0 egress pref 28781 protocol all handle " handle "/0x3fff fw "    \
    "action mirred egress redirect dev " name "\n"
#define DELETE "filter del dev bond0 egress pref 28781\n"

Test(egress_rules, printed_for_a_shell_and_not_run)
{
    cr_assert_eq(command(EGRESS_RULES_PRINT, false), 0);
    cr_expect_str_eq(text, "tc " QDISC "# node 0: eth0\ntc " FILTER("0x2003", "eth0")
                           "# node 1: eth1\ntc " FILTER("0x2004", "eth1"));
    cr_expect_str_eq(log_text(), "");
}

Test(egress_rules, applied)
{
    cr_assert_eq(command(EGRESS_RULES_APPLY, false), 0);
    cr_expect_str_eq(log_text(), QDISC FILTER("0x2003", "eth0") FILTER("0x2004", "eth1"));
    cr_expect_not_null(strstr(text, "tc " QDISC));
}

Test(egress_rules, applied_again_over_filters_of_members_that_left)
{
    put_file("ours", "filter of eth7\n", 0644);
    cr_assert_eq(command(EGRESS_RULES_APPLY, false), 0);
    cr_expect_str_eq(log_text(), DELETE QDISC FILTER("0x2003", "eth0") FILTER("0x2004", "eth1"));
}

Test(egress_rules, stops_at_the_first_failure_and_says_what_was_done)
{
    put_file("fail", "filter replace dev bond0 egress pref 28781 protocol all handle "
                     "0x2003/0x3fff fw action mirred egress redirect dev eth0", 0644);
    cr_assert_eq(command(EGRESS_RULES_APPLY, false), -EIO);
    cr_expect_str_eq(log_text(), QDISC FILTER("0x2003", "eth0"));
    cr_expect_not_null(strstr(text, "# failed with status 2: Error: no.\n# 1 commands before it"),
                       "%s", text);
    cr_expect_null(strstr(text, "eth1"));
}

Test(egress_rules, undone)
{
    put_file("ours", "filter\n", 0644);
    links[2].bond_mode = BOND_MODE_ACTIVEBACKUP; // changed since
    cr_assert_eq(command(EGRESS_RULES_UNDO, false), 0);
    cr_expect_str_eq(log_text(), DELETE "qdisc del dev bond0 clsact\n");
}

Test(egress_rules, qdisc_with_filters_of_others_stays)
{
    put_file("ours", "filter\n", 0644);
    put_file("others", "filter\n", 0644);
    cr_assert_eq(command(EGRESS_RULES_UNDO, false), 0);
    cr_expect_str_eq(log_text(), DELETE);
}

Test(egress_rules, qdisc_without_our_filters_is_not_ours)
{
    cr_assert_eq(command(EGRESS_RULES_UNDO, false), 0);
    cr_expect_str_eq(log_text(), "");
    cr_expect_str_eq(text, "# no filter of ours is there\n");
}

Test(egress_rules, member_without_node_or_small_ifindex_is_left_out)
{
    links[0].node = MACHINE_NODE_UNKNOWN;
    links[1].index = 256;
    cr_assert_eq(command(EGRESS_RULES_PRINT, false), 0);
    cr_expect_str_eq(text, "tc " QDISC "# eth0 gets no mark: its node is not known\n"
                           "# eth1 gets no mark: its ifindex is greater than 255\n");
}

Test(egress_rules, bond_that_does_not_balance_is_left_alone)
{
    links[2].bond_mode = BOND_MODE_ACTIVEBACKUP;
    cr_assert_eq(command(EGRESS_RULES_APPLY, false), 0);
    cr_expect_str_eq(log_text(), "");
    cr_expect_str_eq(text, "# there is no bond in mode 802.3ad or balance-xor here: "
                           "nothing to do\n");
}

Test(egress_rules, names_are_quoted)
{
    strcpy(links[0].name, "e'$x\"\\");
    machine.links[1].master = 0;
    cr_assert_eq(command(EGRESS_RULES_PRINT, false), 0);
    cr_expect_not_null(strstr(text, "redirect dev $'e\\'$x\"\\\\'\n"), "%s", text);
    free(text);
    cr_assert_eq(command(EGRESS_RULES_PRINT, true), 0);
    cr_expect_not_null(strstr(text, "\"member\":\"e'$x\\\"\\\\\""), "%s", text);
}

Test(egress_rules, json_says_how_each_went)
{
    put_file("fail", "qdisc replace dev bond0 clsact", 0644);
    cr_assert_eq(command(EGRESS_RULES_APPLY, true), -EIO);
    cr_expect_str_eq(text,
                     "{\"commands\":[{\"command\":[\"tc\",\"qdisc\",\"replace\",\"dev\","
                     "\"bond0\",\"clsact\"],\"bond\":\"bond0\",\"status\":2,"
                     "\"said\":\"Error: no.\"}],\"error\":5}\n");
}

Test(egress_rules, missing_program_is_said)
{
    const char *const argv[] = {"there-is-no-such-program", NULL};
    char said[16];
    int status;

    cr_expect_eq(command_run(argv, said, sizeof(said), &status), -ENOENT);
}

Test(egress_rules, output_longer_than_its_room_is_cut_and_does_not_block)
{
    const char *const argv[] = {"sh", "-c", "yes | head -c 300000; exit 3", NULL};
    char said[5];
    int status;

    cr_assert_eq(command_run(argv, said, sizeof(said), &status), 0);
    cr_expect_eq(status, 3);
    cr_expect_str_eq(said, "y\ny");
}
