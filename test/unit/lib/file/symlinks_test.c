// SPDX-License-Identifier: Apache-2.0
//
// disable_symlinks, in nginx's terms. Every case runs answered inline and over the ring, for a full
// open and for attributes alone.
#include "test/unit/lib/file/file_fixture.h"

// d/f, with links to both, and /etc/passwd as somebody else's file.
static void setup(void)
{
    fixture_up(0);
    cr_assert_eq(mkdir(in_dir("d"), 0755), 0);
    write_file("d/f", "x");
    cr_assert_eq(symlink("f", in_dir("d/link")), 0);
    cr_assert_eq(symlink("d", in_dir("dlink")), 0);
    cr_assert_eq(symlink("/etc/passwd", in_dir("foreign")), 0);
    cr_assert_eq(symlink("/etc", in_dir("foreign_dir")), 0);
    // Root makes the links somebody else's; anybody else points at root's files anyway.
    if (geteuid() == 0) {
        cr_assert_eq(lchown(in_dir("foreign"), 65534, 65534), 0);
        cr_assert_eq(lchown(in_dir("foreign_dir"), 65534, 65534), 0);
    }
}

TestSuite(symlinks, .init = setup, .fini = fixture_down, .timeout = 20);

static void expect_from(enum symlink_policy policy, size_t from, const char *path, int err)
{
    for (int mode = 0; mode < 4; mode++) {
        struct file_lookup l = {.path = path, .symlinks = policy, .symlinks_from = from};

        l.test_only = mode & 1;
        all_cold = mode & 2;
        look_up(&l);
        cr_expect_eq(l.err, err, "%s, policy %d, mode %d: %s, not %s", path, policy, mode,
                     strerror(l.err), strerror(err));
        cr_expect_eq(l.file != NULL, err == 0);
        if (l.file != NULL && l.file->is_file && !l.test_only) {
            char byte;
            cr_expect_eq(pread(l.file->fd, &byte, 1, 0), 1, "%s is not readable", path);
        }
        file_put(&table, l.file);
    }
}

static void expect(enum symlink_policy policy, const char *name, int err)
{
    expect_from(policy, 0, in_dir(name), err);
}

Test(symlinks, allowed)
{
    expect(SYMLINKS_ALLOWED, "d/link", 0);
    expect(SYMLINKS_ALLOWED, "dlink/f", 0);
    expect(SYMLINKS_ALLOWED, "foreign", 0);
}

Test(symlinks, off_refuses_every_link_with_the_errors_of_nginx)
{
    expect(SYMLINKS_OFF, "d/f", 0);
    expect(SYMLINKS_OFF, "d", 0);
    expect(SYMLINKS_OFF, "d/", 0);
    expect(SYMLINKS_OFF, "nothing", ENOENT);
    expect(SYMLINKS_OFF, "d/f/", ENOTDIR);
    expect(SYMLINKS_OFF, "d/link", ELOOP);
    expect(SYMLINKS_OFF, "foreign", ELOOP);
    expect(SYMLINKS_OFF, "dlink", ELOOP);
    expect(SYMLINKS_OFF, "dlink/f", ENOTDIR);
    expect(SYMLINKS_OFF, "dlink/", ENOTDIR);
    expect(SYMLINKS_OFF, "dlink/link", ENOTDIR);
    expect(SYMLINKS_OFF, "foreign_dir/passwd", ENOTDIR);
}

Test(symlinks, off_allows_dots_and_doubled_slashes)
{
    expect(SYMLINKS_OFF, ".//d/../d//f", 0);
    expect(SYMLINKS_IF_OWNER, ".//d/../d//f", 0);
}

Test(symlinks, if_owner_compares_link_and_target)
{
    expect(SYMLINKS_IF_OWNER, "d/f", 0);
    expect(SYMLINKS_IF_OWNER, "d", 0);
    expect(SYMLINKS_IF_OWNER, "d/", 0);
    expect(SYMLINKS_IF_OWNER, "d//", 0);
    expect(SYMLINKS_IF_OWNER, "d/link", 0);
    expect(SYMLINKS_IF_OWNER, "dlink/f", 0);
    expect(SYMLINKS_IF_OWNER, "dlink/link", 0);
    expect(SYMLINKS_IF_OWNER, "dlink", 0);
    expect(SYMLINKS_IF_OWNER, "dlink/", 0);
    expect(SYMLINKS_IF_OWNER, "foreign", ELOOP);
    expect(SYMLINKS_IF_OWNER, "foreign_dir/passwd", ELOOP);
    expect(SYMLINKS_IF_OWNER, "foreign_dir/", ELOOP);
    expect(SYMLINKS_IF_OWNER, "nothing", ENOENT);
    expect(SYMLINKS_IF_OWNER, "nothing/f", ENOENT);
    expect(SYMLINKS_IF_OWNER, "d/f/below", ENOTDIR);
    expect(SYMLINKS_IF_OWNER, "d/link/", ENOTDIR);
}

Test(symlinks, a_dangling_or_looping_link)
{
    cr_assert_eq(symlink("nowhere", in_dir("dangling")), 0);
    cr_assert_eq(symlink("loop", in_dir("loop")), 0);
    expect(SYMLINKS_IF_OWNER, "dangling", ENOENT);
    expect(SYMLINKS_IF_OWNER, "loop", ELOOP);
    expect(SYMLINKS_OFF, "dangling", ELOOP);
}

Test(symlinks, from_trusts_the_prefix_alone)
{
    const enum symlink_policy both[] = {SYMLINKS_OFF, SYMLINKS_IF_OWNER};

    for (int i = 0; i < 2; i++) {
        const char *path = in_dir("dlink/f");
        size_t from = strlen(dir) + strlen("/dlink");

        expect_from(both[i], from, path, 0);
        expect_from(both[i], from, in_dir("dlink/"), 0);
        expect_from(both[i], from, in_dir("dlink//f"), 0);
        expect_from(both[i], from, in_dir("nolin/f"), ENOENT);
    }
    size_t from = strlen(dir) + strlen("/foreign_dir");
    expect_from(SYMLINKS_IF_OWNER, from, in_dir("foreign_dir/passwd"), 0);
    from = strlen(dir) + strlen("/dlink");
    expect_from(SYMLINKS_OFF, from, in_dir("dlink/link"), ELOOP);
    expect_from(SYMLINKS_OFF, strlen(dir), in_dir("dlink/f"), ENOTDIR);
    expect_from(SYMLINKS_OFF, strlen(dir), in_dir("d/f"), 0);
    expect_from(SYMLINKS_OFF, strlen(dir), in_dir("dlink"), ELOOP);
}
