// SPDX-License-Identifier: Apache-2.0
//
// The look-up on this kernel, with a pair of virtual interfaces in network namespaces of the test's
// own. A veth hands packets to NAPI while its GRO is on and its peer's TSO is off.
#include "lib/net/napi.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static struct napi_lookup n = {.fd = -1};

static void open_or_skip(void)
{
    int rc = napi_lookup_open(&n);

    if (rc == -EOPNOTSUPP)
        cr_skip_test("this kernel does not tell NAPI ids apart");
    cr_assert_eq(rc, 0);
}

Test(napi, linux_6_8_and_later_have_it_and_others_say_so)
{
    unsigned major, minor;
    struct utsname u;

    cr_assert_eq(uname(&u), 0);
    cr_assert_eq(sscanf(u.release, "%u.%u", &major, &minor), 2);
    bool has = major > 6 || (major == 6 && minor >= 8);
    cr_expect_eq(napi_lookup_open(&n), has ? 0 : -EOPNOTSUPP, "on %s", u.release);
    cr_expect_eq(n.fd >= 0, has);
    napi_lookup_close(&n);
    cr_expect_eq(napi_lookup_link(&n, 1), -EBADF, "closed");
}

Test(napi, ids_that_are_not_there)
{
    open_or_skip();
    cr_expect_eq(napi_lookup_link(&n, 0), -ENOENT);
    cr_expect_eq(napi_lookup_link(&n, UINT32_MAX), -ENOENT);
    cr_expect_eq(napi_lookup_link(&n, UINT32_MAX), -ENOENT, "the socket goes on");
    napi_lookup_close(&n);
    cr_expect_eq(n.fd, -1);
    napi_lookup_close(&n);
}

Test(napi, needs_no_privilege)
{
    if (getuid() == 0)
        cr_assert_eq(setuid(65534), 0);
    open_or_skip();
    cr_expect_eq(napi_lookup_link(&n, UINT32_MAX), -ENOENT);
    napi_lookup_close(&n);
}

// An answer that nobody waited for must not be taken for the next one's.
Test(napi, an_answer_to_an_earlier_question_is_passed_over)
{
    open_or_skip();
    n.sequence += 5;
    cr_expect_eq(napi_lookup_link(&n, UINT32_MAX), -ENOENT);
    uint32_t asked = n.sequence;
    n.sequence = 1;
    cr_expect_eq(napi_lookup_link(&n, UINT32_MAX), -ENOENT);
    cr_expect_eq(n.sequence, 2);
    cr_expect_gt(asked, n.sequence);
    napi_lookup_close(&n);
}

static bool set_offload(const char *name, uint32_t command, bool on)
{
    struct ethtool_value value = {.cmd = command, .data = on};
    struct ifreq r = {.ifr_data = (void *)&value};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    strcpy(r.ifr_name, name);
    bool ok = ioctl(fd, SIOCETHTOOL, &r) == 0;
    close(fd);
    return ok;
}

struct wanted {
    uint32_t id;
    int link; // 0: was not told
    unsigned told;
};

static void told(uint32_t id, int index, void *ctx)
{
    struct wanted *w = ctx;

    w->told++;
    if (id == w->id)
        w->link = index;
}

static struct wanted find_among_all(uint32_t id)
{
    struct wanted w = {.id = id};

    cr_expect_eq(napi_lookup_all(&n, told, &w), 0);
    return w;
}

// More than go into one message where there are many queues; the socket is of use afterwards.
Test(napi, all_can_be_told)
{
    struct wanted w = {.id = 0};

    open_or_skip();
    unsigned first = find_among_all(0).told;
    cr_expect_eq(find_among_all(0).told, first);
    cr_expect_eq(napi_lookup_link(&n, UINT32_MAX), -ENOENT);
    napi_lookup_close(&n);
    cr_expect_eq(napi_lookup_all(&n, told, &w), -EBADF);
}

static struct sockaddr_in there(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(4433)};

    inet_pton(AF_INET, "10.9.8.1", &a.sin_addr);
    return a;
}

// The peer: a namespace of its own, and one connection when it is told to.
static _Noreturn void client(int in, int out)
{
    struct sockaddr_in to = there();
    char c = '.';

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (unshare(CLONE_NEWNET) != 0 || write(out, &c, 1) != 1 || read(in, &c, 1) != 1)
        _exit(1);
    if (system("ip addr add 10.9.8.2/24 dev v0 && ip link set v0 up") != 0)
        _exit(2);
    if (!set_offload("v0", ETHTOOL_STSO, false))
        _exit(5);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 || write(fd, "hello", 5) != 5)
        _exit(3);
    _exit(read(in, &c, 1) == 1 ? 0 : 4);
}

static int listening(void)
{
    struct sockaddr_in at = there();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    cr_assert_eq(listen(fd, 8), 0);
    return fd;
}

static uint32_t arrival_of_one(int out)
{
    char hello[5];
    uint32_t id = 0;
    socklen_t size = sizeof(id);

    cr_assert_eq(system("ip addr add 10.9.8.1/24 dev v1 && ip link set v1 up"), 0);
    cr_assert(set_offload("v1", ETHTOOL_SGRO, true));
    int listener = listening();
    cr_assert_eq(write(out, "x", 1), 1);
    int fd = accept(listener, NULL, NULL);
    cr_assert_geq(fd, 0);
    cr_assert_eq(recv(fd, hello, sizeof(hello), MSG_WAITALL), sizeof(hello));
    cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_INCOMING_NAPI_ID, &id, &size), 0);
    close(fd);
    close(listener);
    return id;
}

Test(napi, a_connection_over_a_veth_is_found_at_its_interface, .timeout = 30)
{
    int to[2], from[2], status;
    char command[128], c;

    open_or_skip();
    if (unshare(CLONE_NEWNET) != 0)
        cr_skip_test("a network namespace needs privileges");
    cr_assert(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0)
        client(to[0], from[1]);
    cr_assert_eq(read(from[0], &c, 1), 1);
    snprintf(command, sizeof(command), "ip link add v1 type veth peer name v0 netns %d", pid);
    if (system(command) != 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        cr_skip_test("no ip(8) or no veth here");
    }
    uint32_t id = arrival_of_one(to[1]);
    cr_assert_neq(id, 0);
    // The socket of the look-up asks about the namespace that it was opened in.
    cr_expect_eq(napi_lookup_link(&n, id), -ENOENT);
    napi_lookup_close(&n);
    cr_assert_eq(napi_lookup_open(&n), 0);
    cr_expect_eq(napi_lookup_link(&n, id), (int)if_nametoindex("v1"));
    cr_expect_eq(napi_lookup_link(&n, id), (int)if_nametoindex("v1"));
    cr_expect_eq(find_among_all(id).link, (int)if_nametoindex("v1"));
    cr_expect_eq(system("ip link set v1 down"), 0);
    cr_expect_eq(find_among_all(id).link, 0);
    cr_expect_eq(napi_lookup_link(&n, id), -ENOENT, "ids end when the interface goes down");
    napi_lookup_close(&n);
    cr_expect_eq(write(to[1], "x", 1), 1);
    cr_expect_eq(waitpid(pid, &status, 0), pid);
    cr_expect_eq(status, 0);
}
