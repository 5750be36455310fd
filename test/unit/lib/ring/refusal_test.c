// SPDX-License-Identifier: Apache-2.0
//
// The text that a refused io_uring gives: from made-up facts, and from a real seccomp filter.
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "lib/ring/ring_priv.h"

static char why[RING_WHY_MAX];

static void explain(int err, int sysctl, int seccomp, uint64_t memlock)
{
    struct ring_refusal f = {
        .err = err, .sysctl = sysctl, .seccomp = seccomp, .memlock = memlock};

    ring_refusal_explain(&f, why, sizeof(why));
    cr_assert(strstr(why, strerror(err)) != NULL, "no errno text: %s", why);
}

static bool says(const char *part)
{
    return strstr(why, part) != NULL;
}

Test(refusal, sysctl_2_is_named_with_its_cure)
{
    explain(EPERM, 2, 0, UINT64_MAX);
    cr_assert(says("kernel.io_uring_disabled is 2"), "%s", why);
    cr_assert(says("kernel.io_uring_disabled=0"), "%s", why);
    cr_assert_not(says("io_uring_group"), "the group does not help with 2: %s", why);
}

Test(refusal, sysctl_1_offers_the_group)
{
    explain(EPERM, 1, 0, UINT64_MAX);
    cr_assert(says("kernel.io_uring_disabled is 1"), "%s", why);
    cr_assert(says("kernel.io_uring_group"), "%s", why);
}

Test(refusal, seccomp_is_named_for_each_errno_a_profile_may_give)
{
    static const int errs[] = {EPERM, EACCES, ENOSYS};

    for (size_t i = 0; i < array_len(errs); i++) {
        explain(errs[i], 0, 2, UINT64_MAX);
        cr_assert(says("seccomp filter"), "%s", why);
        cr_assert(says("io_uring_setup, io_uring_enter and io_uring_register"), "%s", why);
        cr_assert(says("seccomp=conf/seccomp.json"), "%s", why);
    }
}

Test(refusal, sysctl_comes_before_seccomp_for_eperm_only)
{
    explain(EPERM, 2, 2, UINT64_MAX);
    cr_assert(says("io_uring_disabled is 2"), "%s", why);
    explain(ENOSYS, 2, 2, UINT64_MAX);
    cr_assert(says("seccomp filter"), "the sysctl never answers ENOSYS: %s", why);
}

Test(refusal, a_kernel_without_io_uring)
{
    explain(ENOSYS, -1, 0, UINT64_MAX);
    cr_assert(says("CONFIG_IO_URING"), "%s", why);
    explain(EINVAL, 0, 0, UINT64_MAX);
    cr_assert(says("6.1"), "%s", why);
}

Test(refusal, denied_without_sysctl_or_seccomp_points_at_security_modules)
{
    explain(EACCES, 0, 0, UINT64_MAX);
    cr_assert(says("SELinux"), "%s", why);
    explain(EPERM, -1, -1, UINT64_MAX);
    cr_assert(says("SELinux"), "%s", why);
}

Test(refusal, memlock_gives_its_value_and_its_cure)
{
    explain(ENOMEM, 0, 2, 64 * 1024);
    cr_assert(says("64 KiB"), "%s", why);
    cr_assert(says("LimitMEMLOCK=infinity"), "%s", why);
    cr_assert(says("ulimit -l"), "%s", why);
    explain(ENOMEM, 0, 0, UINT64_MAX);
    cr_assert_not(says("MEMLOCK"), "unlimited cannot be the cause: %s", why);
}

Test(refusal, descriptors)
{
    explain(EMFILE, 0, 0, UINT64_MAX);
    cr_assert(says("worker_rlimit_nofile"), "%s", why);
    explain(ENFILE, 0, 0, UINT64_MAX);
    cr_assert(says("fs.file-max"), "%s", why);
}

Test(refusal, no_text_is_cut)
{
    for (int err = 1; err < 134; err++) {
        for (int sysctl = -1; sysctl <= 2; sysctl++) {
            for (int seccomp = -1; seccomp <= 2; seccomp++) {
                struct ring_refusal f = {err, sysctl, seccomp, UINT64_MAX - 1};
                char full[1024], fitted[RING_WHY_MAX];

                ring_refusal_explain(&f, full, sizeof(full));
                ring_refusal_explain(&f, fitted, sizeof(fitted));
                cr_assert_str_eq(full, fitted);
            }
        }
    }
}

Test(refusal, ring_init_under_a_real_seccomp_filter_says_so)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = {.len = array_len(code), .filter = code};
    static struct ring r;
    struct ring_refusal f;

    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), 0);
    cr_assert_eq(ring_init(&r, why, sizeof(why)), -EPERM);
    ring_refusal_gather(&f, EPERM);
    cr_assert_eq(f.seccomp, 2);
    cr_assert(f.sysctl > 0 ? says("io_uring_disabled") : says("seccomp filter"), "%s", why);
    ring_destroy(&r); // allowed, and nothing to do
}
