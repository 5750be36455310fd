// SPDX-License-Identifier: Apache-2.0
//
// open_file_cache: what is kept, for how long, and what goes first.
#include "test/unit/lib/file/file_fixture.h"

static struct file_cache_policy policy;

static void setup(void)
{
    fixture_up(2);
    policy = (struct file_cache_policy){.max = 3, .inactive_s = 60, .valid_s = 60, .min_uses = 1};
    write_file("a", "a");
    write_file("b", "bb");
    write_file("c", "ccc");
    write_file("d", "dddd");
}

TestSuite(file_cache, .init = setup, .fini = fixture_down, .timeout = 20);

static struct open_file *get(const char *name)
{
    struct file_lookup l = {.path = in_dir(name), .cache = &policy};

    look_up(&l);
    cr_assert_eq(l.err, 0, "%s: %s", name, strerror(l.err));
    return l.file;
}

static int get_err(const char *name, bool test_only)
{
    struct file_lookup l = {.path = in_dir(name), .cache = &policy, .test_only = test_only};

    look_up(&l);
    file_put(&table, l.file);
    return l.err;
}

// True when the next lookup is answered from the cache.
static bool cached(const char *name)
{
    unsigned before = opens;

    file_put(&table, get(name));
    return opens == before;
}

Test(file_cache, a_second_lookup_opens_nothing_and_shares_the_descriptor)
{
    struct open_file *one = get("a"), *two = get("a");

    cr_expect_eq(opens, 1);
    cr_expect_eq(one, two);
    cr_expect_eq(one->refs, 3);
    file_put(&table, one);
    file_put(&table, two);
    cr_expect(cached("a"));
}

Test(file_cache, over_the_ring_too)
{
    all_cold = true;
    file_put(&table, get("a"));
    cr_expect(cached("a"));
}

Test(file_cache, directories_are_kept_without_a_descriptor)
{
    unsigned before = count_fds();

    cr_assert_eq(mkdir(in_dir("sub"), 0755), 0);
    file_put(&table, get("sub"));
    cr_expect(cached("sub"));
    cr_expect_eq(count_fds(), before);
}

Test(file_cache, policies_with_different_index_share_nothing)
{
    file_put(&table, get("a"));
    policy.index = 1;
    cr_expect_not(cached("a"));
}

Test(file_cache, max_zero_is_no_cache)
{
    policy.max = 0;
    file_put(&table, get("a"));
    cr_expect_not(cached("a"));
}

Test(file_cache, the_least_recently_used_goes_first)
{
    file_put(&table, get("a"));
    file_put(&table, get("b"));
    file_put(&table, get("c"));
    cr_expect(cached("a"));
    file_put(&table, get("d")); // b goes
    cr_expect(cached("a"));
    cr_expect(cached("c"));
    cr_expect(cached("d"));
    cr_expect_not(cached("b"));
}

Test(file_cache, a_file_in_use_survives_its_entry)
{
    struct open_file *a = get("a");
    char byte;

    policy.max = 1;
    file_put(&table, get("b"));
    cr_expect_null(a->entry);
    cr_expect_eq(a->refs, 1);
    cr_expect_eq(pread(a->fd, &byte, 1, 0), 1);
    file_put(&table, a);
    cr_expect(cached("b"));
}

Test(file_cache, within_valid_a_replaced_file_is_not_noticed)
{
    file_put(&table, get("a"));
    cr_assert_eq(rename(in_dir("b"), in_dir("a")), 0);
    struct open_file *f = get("a");
    cr_expect_eq(f->size, 1);
    file_put(&table, f);
}

Test(file_cache, after_valid_an_unchanged_file_keeps_its_descriptor)
{
    policy.valid_s = 0;
    struct open_file *one = get("a"), *two = get("a");

    cr_expect_eq(opens, 2);
    cr_expect_eq(one, two);
    file_put(&table, one);
    file_put(&table, two);
}

Test(file_cache, after_valid_a_replaced_file_is_fresh_and_the_old_one_still_readable)
{
    char byte = 0;

    policy.valid_s = 0;
    struct open_file *old = get("a");
    cr_assert_eq(rename(in_dir("b"), in_dir("a")), 0);
    struct open_file *new = get("a");
    cr_expect_neq(old, new);
    cr_expect_eq(new->size, 2);
    cr_expect_eq(pread(old->fd, &byte, 1, 0), 1);
    cr_expect_eq(byte, 'a');
    file_put(&table, old);
    file_put(&table, new);
}

Test(file_cache, a_file_that_grew_in_place_does_not_change_under_who_sends_it)
{
    policy.valid_s = 0;
    struct open_file *old = get("a");
    write_file("a", "longer");
    struct open_file *new = get("a");
    cr_expect_eq(old->size, 1);
    cr_expect_eq(new->size, 6);
    file_put(&table, old);
    file_put(&table, new);
}

Test(file_cache, errors_are_kept_only_when_asked)
{
    cr_expect_eq(get_err("nothing", false), ENOENT);
    cr_expect_eq(get_err("nothing", false), ENOENT);
    cr_expect_eq(opens, 2);
    policy.errors = true;
    cr_expect_eq(get_err("nothing", true), ENOENT);
    cr_expect_eq(get_err("nothing", false), ENOENT);
    cr_expect_eq(get_err("nothing", true), ENOENT);
    cr_expect_eq(opens, 3);
    write_file("nothing", "x");
    cr_expect_eq(get_err("nothing", false), ENOENT, "still valid");
    policy.valid_s = 0;
    cr_expect_eq(get_err("nothing", false), 0);
}

static int out_of_descriptors(int dir_fd, const char *path, struct open_how *how, size_t size)
{
    (void)dir_fd;
    (void)path;
    (void)how;
    (void)size;
    errno = EMFILE;
    return -1;
}

Test(file_cache, an_error_of_the_moment_is_never_kept)
{
    policy.errors = true;
    fake.openat2 = out_of_descriptors;
    cr_expect_eq(get_err("a", false), EMFILE);
    fake.openat2 = fake_openat2;
    cr_expect_eq(get_err("a", false), 0);
}

Test(file_cache, a_vanished_file_leaves_the_cache)
{
    policy.valid_s = 0;
    struct open_file *a = get("a");
    cr_assert_eq(unlink(in_dir("a")), 0);
    cr_expect_eq(get_err("a", false), ENOENT);
    cr_expect_null(a->entry);
    file_put(&table, a);
}

Test(file_cache, min_uses_closes_the_descriptor_but_counts_on)
{
    unsigned before = count_fds();

    policy.min_uses = 3;
    cr_expect_not(cached("a"));
    cr_expect_eq(count_fds(), before, "used once");
    cr_expect_not(cached("a"));
    cr_expect_eq(count_fds(), before, "used twice");
    cr_expect_not(cached("a"));
    cr_expect_eq(count_fds(), before + 1, "used three times: kept");
    cr_expect(cached("a"));
}

Test(file_cache, inactive_entries_go_when_another_file_is_given_back)
{
    unsigned before = count_fds();

    file_put(&table, get("a"));
    file_put(&table, get("b"));
    cr_expect_eq(count_fds(), before + 2);
    policy.inactive_s = 0;
    file_put(&table, get("b"));
    cr_expect_eq(count_fds(), before);
}

Test(file_cache, test_only_is_answered_from_the_cache_but_enters_nothing)
{
    cr_expect_eq(get_err("a", true), 0);
    cr_expect_not(cached("a"));
    unsigned before = opens;
    cr_expect_eq(get_err("a", true), 0);
    cr_expect_eq(opens, before);
}

Test(file_cache, another_symlink_policy_looks_again)
{
    struct file_lookup l = {.cache = &policy, .symlinks = SYMLINKS_OFF};

    policy.errors = true;
    cr_assert_eq(symlink("a", in_dir("link")), 0);
    file_put(&table, get("link"));
    l.path = in_dir("link");
    look_up(&l);
    cr_expect_eq(l.err, ELOOP);
    cr_expect_not(cached("link"));
    cr_expect(cached("link"));
}

Test(file_cache, two_lookups_of_one_path_on_the_ring_at_once)
{
    struct file_lookup one = {.path = in_dir("a"), .cache = &policy, .done = lookup_done};
    struct file_lookup two = one;

    all_cold = true;
    cr_assert_eq(file_lookup(&table, &one), -EINPROGRESS);
    cr_assert_eq(file_lookup(&table, &two), -EINPROGRESS);
    for (int i = 0; i < 100 && table.opening > 0; i++)
        cr_assert_eq(ring_turn(&ring, true), 0);
    cr_expect_eq(one.file, two.file, "the second finds the first in the cache");
    file_put(&table, one.file);
    file_put(&table, two.file);
    cr_expect(cached("a"));
}

Test(file_cache, many_paths_in_few_entries)
{
    char name[16];

    policy.max = 50;
    policy.errors = true;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 500; i++) {
            snprintf(name, sizeof(name), "many%d", i);
            if (round == 0 && i % 2 == 0)
                write_file(name, name);
            cr_expect_eq(get_err(name, false), i % 2 == 0 ? 0 : ENOENT);
        }
    }
    cr_expect_leq(count_fds(), fds_before + 50);
}
