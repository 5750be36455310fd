// SPDX-License-Identifier: Apache-2.0
#include "server/process/pidfile.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int parse(const char *text, pid_t *pid)
{
    return pidfile_parse(text, strlen(text), pid);
}

Test(pidfile, line_ends_behind_the_number_are_no_part_of_it)
{
    pid_t pid = 0;

    cr_assert_eq(parse("4711\n", &pid), 0);
    cr_assert_eq(pid, 4711);
    cr_assert_eq(parse("12\r\n\n", &pid), 0);
    cr_assert_eq(pid, 12);
    cr_assert_eq(parse("1", &pid), 0);
}

Test(pidfile, what_is_no_process_is_refused)
{
    static const char *const bad[] = {"", "\n", "x", "12x", " 12", "-5", "0", "99999999999", "1 2"};
    pid_t pid;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(parse(bad[i], &pid), -EINVAL, "\"%s\"", bad[i]);
}

struct place {
    char dir[64];
    char path[128];
};

static struct place place(void)
{
    struct place p;

    strcpy(p.dir, "/tmp/millrace-pidfile-XXXXXX");
    cr_assert_not_null(mkdtemp(p.dir));
    snprintf(p.path, sizeof(p.path), "%s/x.pid", p.dir);
    return p;
}

static void remove_place(struct place *p)
{
    unlink(p->path);
    cr_assert_eq(rmdir(p->dir), 0, "something was left behind");
}

Test(pidfile, is_written_and_read_back)
{
    struct place p = place();
    char text[32];
    pid_t pid;

    cr_assert_eq(pidfile_check(p.path), 0);
    cr_assert_eq(access(p.path, F_OK), -1, "a check leaves nothing");
    cr_assert_eq(pidfile_write(p.path, 123), 0);
    cr_assert_eq(pidfile_write(p.path, 7), 0);
    cr_assert_eq(pidfile_read(p.path, &pid, text, sizeof(text)), 0);
    cr_assert_eq(pid, 7);
    cr_assert_str_eq(text, "7\n");
    cr_assert_eq(pidfile_check(p.path), 0);
    remove_place(&p);
}

Test(pidfile, a_link_is_written_through_not_replaced)
{
    struct place p = place();
    char target[200];
    struct stat st;
    char text[32];
    pid_t pid;

    snprintf(target, sizeof(target), "%s/target", p.dir);
    cr_assert_eq(symlink(target, p.path), 0);
    cr_assert_eq(pidfile_write(p.path, 5), 0);
    cr_assert_eq(lstat(p.path, &st), 0);
    cr_assert(S_ISLNK(st.st_mode));
    cr_assert_eq(pidfile_read(target, &pid, text, sizeof(text)), 0);
    cr_assert_eq(pid, 5);
    unlink(target);
    remove_place(&p);
}

Test(pidfile, a_missing_folder_is_named_by_its_errno)
{
    char text[32];
    pid_t pid;

    cr_assert_eq(pidfile_check("/nonexistent/x.pid"), -ENOENT);
    cr_assert_eq(pidfile_write("/nonexistent/x.pid", 1), -ENOENT);
    cr_assert_eq(pidfile_read("/nonexistent/x.pid", &pid, text, sizeof(text)), -ENOENT);
}
