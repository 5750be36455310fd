// SPDX-License-Identifier: Apache-2.0
#include "server/process/privileges.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/config/config.h"

static int find(const char *user, const char *group, struct identity *id, char *why)
{
    struct main_conf conf = {.user = sv_from(user), .group = sv_from(group)};
    int err;

    return identity_find(&conf, id, why, 256, &err);
}

Test(privileges, an_unknown_user_or_group_is_named)
{
    struct identity id;
    char why[256];

    if (geteuid() != 0)
        cr_skip_test("only root changes its user");
    cr_assert_eq(find("no-such-user", NULL, &id, why), -ENOENT);
    cr_assert_str_eq(why, "getpwnam(\"no-such-user\") failed");
    cr_assert_eq(find("nobody", "no-such-group", &id, why), -ENOENT);
    cr_assert_str_eq(why, "getgrnam(\"no-such-group\") failed");
}

Test(privileges, one_name_is_user_and_group)
{
    struct identity id;
    char why[256];

    if (geteuid() != 0)
        cr_skip_test("only root changes its user");
    cr_assert_eq(find("daemon", NULL, &id, why), 0);
    cr_assert(id.drop && id.uid == 1 && id.gid == 1);
    cr_assert_eq(find(NULL, NULL, &id, why), 0);
    cr_assert(id.drop && id.uid == 65534);
}

static bool status_says(const char *line)
{
    char text[4096];
    FILE *f = fopen("/proc/self/status", "r");
    size_t n = fread(text, 1, sizeof(text) - 1, f);

    text[n] = '\0';
    fclose(f);
    return strstr(text, line) != NULL;
}

Test(privileges, what_is_dropped_does_not_come_back)
{
    struct identity id;
    char why[256];
    int status;
    pid_t pid;

    if (geteuid() != 0)
        cr_skip_test("only root has something to drop");
    cr_assert_eq(find("nobody", "nogroup", &id, why), 0);
    pid = fork();
    if (pid == 0) {
        bool ok = privileges_drop(&id) == 0 && getuid() == id.uid && getegid() == id.gid &&
                  setuid(0) != 0 && status_says("CapPrm:\t0000000000000000") &&
                  status_says("CapBnd:\t0000000000000000") &&
                  prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
                  prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1;

        _exit(ok ? 0 : 1);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
}

// What else root may is gone, for good, and a mark can still be set.
Test(privileges, cap_net_raw_alone_is_kept_for_marks)
{
    struct identity id;
    char why[256];
    int status;

    if (geteuid() != 0)
        cr_skip_test("only root changes its user");
    cr_assert_eq(find(NULL, NULL, &id, why), 0);
    id.keep_net_raw = true;
    pid_t child = fork();
    if (child == 0) {
        struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
        uint32_t mark = 0x2003;
        if (privileges_drop(&id) != 0 || syscall(SYS_capget, &head, sets) != 0)
            _exit(1);
        if (sets[0].effective != 1u << CAP_NET_RAW || sets[0].permitted != 1u << CAP_NET_RAW ||
            sets[1].effective != 0 || sets[1].permitted != 0 || sets[0].inheritable != 0)
            _exit(2);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) != 0)
            _exit(3);
        _exit(setuid(0) == 0 ? 4 : 0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "%d", WEXITSTATUS(status));
}
