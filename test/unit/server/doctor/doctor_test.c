// SPDX-License-Identifier: Apache-2.0
//
// The command as a whole: what it prints, and how it ends.
#include "server/doctor/print_priv.h"
#include "test/unit/server/doctor/expect.h"

TestSuite(doctor, .init = doctor_setup, .fini = doctor_teardown);

static char said[65536];

static enum doctor_result run(void)
{
    memset(said, 0, sizeof(said));
    FILE *out = fmemopen(said, sizeof(said) - 1, "w");
    enum doctor_result result = doctor_run(&options, &machine, out);
    fclose(out);
    return result;
}

Test(doctor, nothing_found)
{
    cr_expect_eq(run(), DOCTOR_CLEAN);
    cr_expect_not_null(strstr(said, "\nproblems: 0, warnings: 0, advice: 0, good: 3"), "%s", said);
    options.apply = true;
    cr_expect_eq(run(), DOCTOR_CLEAN);
    cr_expect_str_eq(now(DOCTOR_UNDO_PATH), "(none)");
}

Test(doctor, a_finding_with_why_and_how)
{
    put("/proc/sys/vm/zone_reclaim_mode", "1\n");
    cr_expect_eq(run(), DOCTOR_FINDINGS);
    const char *text = "warning: zone-reclaim, memory: zone_reclaim_mode is 1\n"
                       "  why     A node that runs full throws its own page cache away before it "
                       "takes memory of another\n"
                       "          one. What it throws away has to be read from a disk again.\n"
                       "  mend    sysctl -w vm.zone_reclaim_mode=0\n"
                       "  undo    sysctl -w vm.zone_reclaim_mode=1\n";
    cr_expect_eq(strncmp(said, text, strlen(text)), 0, "%s", said);
}

Test(doctor, the_worst_comes_first)
{
    put("/proc/sys/vm/swappiness", "60\n");
    put("/proc/sys/net/ipv4/tcp_window_scaling", "0\n");
    run();
    const char *problem = strstr(said, "problem: tcp-options");
    const char *advice = strstr(said, "advice: swap");
    cr_assert_not_null(problem);
    cr_assert_not_null(advice);
    cr_expect_lt(problem, advice);
}

Test(doctor, apply_and_undo)
{
    put("/proc/sys/vm/swappiness", "60\n");
    put("/var/lib/x", "%s", "");
    options.apply = true;
    cr_expect_eq(run(), DOCTOR_CLEAN);
    cr_expect_str_eq(now("/proc/sys/vm/swappiness"), "10\n");
    cr_expect_eq(strncmp(now(DOCTOR_UNDO_PATH), "millrace-doctor-undo 1\n", 23), 0);
    options.undo = true;
    cr_expect_eq(run(), DOCTOR_CLEAN);
    cr_expect_str_eq(now("/proc/sys/vm/swappiness"), "60\n");
    cr_expect_eq(run(), DOCTOR_CLEAN);
    cr_expect_str_eq(said, "nothing to take back\n");
}

Test(doctor, what_is_for_a_person_is_left)
{
    links[2].lacp_fast = false;
    put("/var/lib/x", "%s", "");
    options.apply = true;
    cr_expect_eq(run(), DOCTOR_FINDINGS);
    cr_expect_not_null(strstr(said, "findings that are left: 1; "), "%s", said);
}

// A captured tree is not this machine.
Test(doctor, in_a_tree_no_command_is_run)
{
    put("/proc/812/comm", "irqbalance\n");
    put("/var/lib/x", "%s", "");
    options.apply = true;
    cr_expect_eq(run(), DOCTOR_FINDINGS);
    cr_expect_not_null(strstr(said, "systemctl stop irqbalance: failed: commands are for a "
                                    "machine, not for a tree\n"), "%s", said);
}

Test(doctor, changes_need_root)
{
    if (geteuid() != 0)
        cr_skip("there is no root to come down from");
    options = (struct doctor_options){.apply = true};
    cr_assert_eq(seteuid(65534), 0);
    FILE *out = fmemopen(said, sizeof(said) - 1, "w");
    enum doctor_result result = doctor_run(&options, &machine, out);
    options.undo = true;
    enum doctor_result undone = doctor_run(&options, &machine, out);
    fclose(out);
    cr_assert_eq(seteuid(0), 0);
    cr_expect_neq(result, DOCTOR_FAILED);
    cr_expect_not_null(strstr(said, "\nproblems: "), "%s", said);
    cr_expect_eq(undone, DOCTOR_FAILED);
}

Test(doctor, nowhere_to_look)
{
    options.root = "/tmp/doctor_test.nonexistent";
    cr_expect_eq(run(), DOCTOR_FAILED);
}

Test(doctor, json)
{
    snprintf(links[0].name, sizeof(links[0].name), "a\"\\\x1b\xff");
    links[0].node = MACHINE_NODE_UNKNOWN;
    put("/proc/sys/vm/swappiness", "60\n");
    options.json = true;
    options.undo_path = "/tmp/x";
    cr_expect_eq(run(), DOCTOR_FINDINGS);
    const char *swap = "{\"id\":\"swap\",\"severity\":\"advice\",\"where\":\"memory\","
                       "\"found\":\"swappiness is 60\",\"why\":\"";
    const char *changes = "\"by_hand\":[],\"changes\":[{\"apply\":\"sysctl -w vm.swappiness=10\","
                          "\"undo\":\"sysctl -w vm.swappiness=60\",\"state\":\"planned\"}]}";
    cr_expect_eq(strncmp(said, "{\"version\":1,\"undo_file\":\"/tmp/x\",\"findings\":[", 45), 0);
    cr_expect_not_null(strstr(said, swap), "%s", said);
    cr_expect_not_null(strstr(said, changes), "%s", said);
    cr_expect_not_null(strstr(said, "\"where\":\"a\\\"\\\\\\u001b\\ufffd\""), "%s", said);
    cr_expect_not_null(strstr(said, "\"good\":[\"irqbalance\","), "%s", said);
}

// What takes it back is what there is, or the chosen word of it.
static void expect_so(const struct finding *f, const struct change *c)
{
    char value[4097] = "";
    FILE *file = c->undo.path != NULL ? fopen(c->undo.path, "re") : NULL;

    cr_expect(step_allowed(&c->apply) && step_allowed(&c->undo), "%s", f->check->id);
    if (file == NULL)
        return;
    value[fread(value, 1, sizeof(value) - 1, file)] = '\0';
    fclose(file);
    cr_expect(strcmp(value, c->undo.value) == 0 || strchr(value, '[') != NULL ||
                  strstr(c->undo.path, "/bonding/") != NULL,
              "%s: %s is not %s", c->undo.path, value, c->undo.value);
}

// What is found has to be so. Nothing is changed here.
Test(doctor, this_machine)
{
    struct machine here;

    if (access("/sys/class/net", F_OK) != 0 || access("/proc/sys/net", F_OK) != 0)
        cr_skip("no sysfs or proc here");
    cr_assert_eq(machine_load(&here, NULL), 0);
    options = (struct doctor_options){.workers = 2, .worker_connections = 512};
    forget_doctor();
    doctor_init(&doctor, &options, &here);
    examined = true;
    doctor_examine(&doctor, PHASE_FIRST);
    doctor_examine(&doctor, PHASE_REST);
    cr_expect_eq(doctor.error, 0);
    cr_expect_not_null(doctor.findings);
    for (const struct finding *f = doctor.findings; f != NULL; f = f->next) {
        for (const struct change *c = f->changes; c != NULL; c = c->next)
            expect_so(f, c);
    }
    machine_free(&here);
}
