// SPDX-License-Identifier: Apache-2.0
#include "server/log/log_file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/config/config.h"

static char dir[64];
static struct config config;

static void set_up(void)
{
    arena_init(&config.arena, NULL);
    list_init(&config.log_files);
    strcpy(dir, "/tmp/millrace-log-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void tear_down(void)
{
    char command[128];

    log_files_close(&config);
    arena_reset(&config.arena);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(log_file, .init = set_up, .fini = tear_down);

static struct log_file *file(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return log_file_get(&config, sv_from(path));
}

static int open_all(bool reopen, const struct log_file **failed)
{
    return log_files_open(&config, reopen, (unsigned)-1, (unsigned)-1, failed);
}

Test(log_file, one_path_is_one_file)
{
    struct log_file *a = file("a"), *b = file("b");

    cr_assert(a != b);
    cr_assert_eq(file("a"), a);
    cr_assert(a->index == 0 && b->index == 1);
    cr_assert_eq(a->fd, -1);
}

Test(log_file, stderr_is_never_opened)
{
    struct log_file *f = log_file_get(&config, SV("stderr"));
    const struct log_file *failed;

    cr_assert_null(f->path);
    cr_assert_eq(f->fd, STDERR_FILENO);
    cr_assert_eq(log_file_get(&config, SV("stderr")), f);
    cr_assert_eq(open_all(true, &failed), 0);
    cr_assert_eq(f->fd, STDERR_FILENO);
}

static off_t size_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_size : -1;
}

Test(log_file, reopen_keeps_the_number_and_follows_the_name)
{
    struct log_file *f = file("a");
    const struct log_file *failed;
    char moved[128];
    int fd;

    cr_assert_eq(open_all(false, &failed), 0);
    fd = f->fd;
    cr_assert_eq(write(fd, "1234", 4), 4);
    snprintf(moved, sizeof(moved), "%s/moved", dir);
    cr_assert_eq(rename(f->path, moved), 0);
    cr_assert_eq(open_all(true, &failed), 0);
    cr_assert_eq(f->fd, fd);
    cr_assert_eq(write(fd, "12", 2), 2);
    cr_assert_eq(size_of(moved), 4);
    cr_assert_eq(size_of(f->path), 2);
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    cr_assert(fcntl(fd, F_GETFL) & O_APPEND);
}

Test(log_file, a_file_that_cannot_be_opened_is_named)
{
    const struct log_file *failed = NULL;
    struct log_file *f = file("nowhere/a");

    cr_assert_eq(open_all(false, &failed), -ENOENT);
    cr_assert_eq(failed, f);
}

Test(log_file, reopening_goes_on_after_a_failure_and_keeps_what_was)
{
    struct log_file *a = file("sub/a"), *b = file("b");
    const struct log_file *failed = NULL;
    char sub[100], moved[128];

    snprintf(sub, sizeof(sub), "%s/sub", dir);
    cr_assert_eq(mkdir(sub, 0755), 0);
    cr_assert_eq(open_all(false, &failed), 0);
    snprintf(moved, sizeof(moved), "%s/gone", dir);
    cr_assert_eq(rename(sub, moved), 0);
    cr_assert_eq(unlink(b->path), 0);
    cr_assert_eq(open_all(true, &failed), -ENOENT);
    cr_assert_eq(failed, a);
    cr_assert_eq(size_of(b->path), 0, "the other one was opened anew");
    cr_assert_eq(write(a->fd, "x", 1), 1, "the old descriptor still works");
}

Test(log_file, reopening_gives_the_file_to_the_user_of_silos)
{
    struct log_file *f = file("a");
    const struct log_file *failed;
    struct stat st;

    if (geteuid() != 0)
        cr_skip_test("needs root");
    cr_assert_eq(open_all(false, &failed), 0);
    cr_assert_eq(chmod(f->path, 0044), 0);
    cr_assert_eq(log_files_open(&config, true, 65534, 65534, &failed), 0);
    cr_assert_eq(stat(f->path, &st), 0);
    cr_assert_eq(st.st_uid, 65534);
    cr_assert_eq(st.st_mode & 07777, 0644);
}

Test(log_file, sinks_follow_the_error_log_lines)
{
    struct log_use second = {.file = log_file_get(&config, SV("stderr")), .level = LOG_LEVEL_WARN};
    struct log_use first = {.file = file("a"), .level = LOG_LEVEL_INFO, .next = &second};
    const struct log_file *failed;
    struct log_sink *s;

    cr_assert_eq(open_all(false, &failed), 0);
    config.main.error_log = &first;
    s = log_files_sinks(&config);
    cr_assert(s->fd == first.file->fd && s->level == LOG_LEVEL_INFO);
    cr_assert(s->next->fd == STDERR_FILENO && s->next->level == LOG_LEVEL_WARN);
    cr_assert_null(s->next->next);
}
