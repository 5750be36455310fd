// SPDX-License-Identifier: Apache-2.0
//
// Lookups without a cache: what is found, what is refused, and that nothing hangs. Each runs twice,
// answered inline and over the ring.
#include "test/unit/lib/file/file_fixture.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

static void setup(void)
{
    fixture_up(0);
}

TestSuite(open_file, .init = setup, .fini = fixture_down, .timeout = 20);

static void expect_err(const char *name, bool test_only, int err)
{
    for (int cold = 0; cold < 2; cold++) {
        struct file_lookup l = {.path = in_dir(name), .test_only = test_only};

        all_cold = cold;
        look_up(&l);
        cr_expect_eq(l.err, err, "%s: %s, not %s", name, strerror(l.err), strerror(err));
        cr_expect_null(l.file);
        file_put(&table, l.file);
    }
}

Test(open_file, gives_a_readable_descriptor_and_attributes)
{
    write_file("f", "content");
    cr_assert_eq(chmod(in_dir("f"), 0744), 0);
    for (int cold = 0; cold < 2; cold++) {
        struct file_lookup l = {.path = in_dir("f")};
        char buf[16];
        struct stat st;

        all_cold = cold;
        look_up(&l);
        cr_assert_eq(l.err, 0);
        cr_assert_not_null(l.file);
        cr_assert_eq(stat(l.path, &st), 0);
        cr_expect(l.file->is_file);
        cr_expect_not(l.file->is_dir);
        cr_expect(l.file->owner_exec);
        cr_expect_eq(l.file->size, 7);
        cr_expect_eq(l.file->ino, st.st_ino);
        cr_expect_eq(l.file->mtime_s, st.st_mtim.tv_sec);
        cr_expect_eq(l.file->mtime_ns, st.st_mtim.tv_nsec);
        cr_expect_eq(pread(l.file->fd, buf, sizeof(buf), 0), 7);
        cr_expect(fcntl(l.file->fd, F_GETFD) & FD_CLOEXEC);
        file_hold(l.file);
        file_put(&table, l.file);
        cr_expect_eq(pread(l.file->fd, buf, sizeof(buf), 0), 7, "a reference keeps it open");
        file_put(&table, l.file);
    }
}

Test(open_file, errors)
{
    write_file("f", "x");
    for (int test_only = 0; test_only < 2; test_only++) {
        expect_err("nothing", test_only, ENOENT);
        expect_err("f/below", test_only, ENOTDIR);
        expect_err("f/", test_only, ENOTDIR);
        cr_assert_eq(symlink("loop", in_dir("loop")) == 0 || errno == EEXIST, 1);
        expect_err("loop", test_only, ELOOP);
    }
}

Test(open_file, directory_gives_attributes_alone)
{
    struct file_lookup l = {.path = dir};

    look_up(&l);
    cr_assert_eq(l.err, 0);
    cr_expect(l.file->is_dir);
    cr_expect_not(l.file->is_file);
    cr_expect_eq(l.file->fd, -1);
    file_put(&table, l.file);
}

Test(open_file, a_fifo_without_writer_does_not_hang)
{
    cr_assert_eq(mkfifo(in_dir("fifo"), 0644), 0);
    for (int cold = 0; cold < 2; cold++) {
        struct file_lookup l = {.path = in_dir("fifo")};

        all_cold = cold;
        look_up(&l);
        cr_assert_eq(l.err, 0);
        cr_expect_not(l.file->is_file);
        cr_expect_not(l.file->is_dir);
        cr_expect_eq(l.file->fd, -1);
        file_put(&table, l.file);
    }
}

Test(open_file, a_device_is_neither_file_nor_directory)
{
    struct file_lookup l = {.path = "/dev/zero"};

    look_up(&l);
    cr_assert_eq(l.err, 0);
    cr_expect_not(l.file->is_file);
    cr_expect_eq(l.file->fd, -1);
    file_put(&table, l.file);
}

Test(open_file, a_socket_cannot_be_opened)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/sock", dir);
    cr_assert_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
    expect_err("sock", false, ENXIO);
    close(fd);
}

Test(open_file, test_only_needs_no_read_permission_and_gives_no_descriptor)
{
    write_file("secret", "x");
    cr_assert_eq(chmod(in_dir("secret"), 0), 0);
    cr_assert_eq(chmod(dir, 0755), 0);
    uid_t me = geteuid();
    if (me == 0)
        cr_assert_eq(seteuid(65534), 0);
    struct file_lookup l = {.path = in_dir("secret"), .test_only = true};
    look_up(&l);
    cr_assert_eq(l.err, 0);
    cr_expect(l.file->is_file);
    cr_expect_eq(l.file->size, 1);
    cr_expect_eq(l.file->fd, -1);
    file_put(&table, l.file);
    struct file_lookup full = {.path = in_dir("secret")};
    look_up(&full);
    cr_expect_eq(full.err, EACCES);
    if (me == 0)
        cr_assert_eq(seteuid(0), 0);
}

Test(open_file, a_file_replaced_by_rename_is_fresh_at_once)
{
    struct file_lookup a = {.path = in_dir("list.m3u8")}, b = {.path = a.path};

    write_file("list.m3u8", "old");
    look_up(&a);
    write_file("new", "newer");
    cr_assert_eq(rename(in_dir("new"), in_dir("list.m3u8")), 0);
    look_up(&b);
    cr_assert_eq(b.err, 0);
    cr_expect_eq(b.file->size, 5);
    cr_expect_neq(a.file->ino, b.file->ino);
    file_put(&table, a.file);
    file_put(&table, b.file);
}

Test(open_file, running_out_of_descriptors_is_an_error_not_an_end)
{
    struct rlimit old, none = {0};

    write_file("f", "x");
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    none.rlim_max = old.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    expect_err("f", false, EMFILE);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    struct file_lookup l = {.path = in_dir("f")};
    look_up(&l);
    cr_expect_eq(l.err, 0);
    file_put(&table, l.file);
}

static int failing_fstat(int fd, struct stat *st)
{
    (void)fd;
    (void)st;
    errno = EIO;
    return -1;
}

Test(open_file, failed_fstat_leaks_no_descriptor)
{
    write_file("f", "x");
    fake.fstat = failing_fstat;
    expect_err("f", false, EIO);
}

Test(open_file, null_put_is_harmless)
{
    file_put(&table, NULL);
}
