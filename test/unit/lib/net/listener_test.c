// SPDX-License-Identifier: Apache-2.0
//
// Listening sockets over real loopback sockets.
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/net/listener.h"
#include "lib/net/sockopt.h"

static const char *failed;

static struct net_address loopback(void)
{
    struct net_address addr = {.len = sizeof(addr.in)};

    addr.in.sin_family = AF_INET;
    addr.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return addr;
}

// A listener on a port of the kernel's choice; `addr` learns it.
static int listen_any(struct net_address *addr, const struct listen_options *opt)
{
    int fd;

    *addr = loopback();
    cr_assert_eq(net_listen(addr, opt, true, &fd, &failed), 0, "%s", failed);
    cr_assert_eq(net_local_address(fd, addr), 0);
    return fd;
}

static int get_int(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);

    cr_assert_eq(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

Test(listener, is_nonblocking_and_closes_on_exec)
{
    struct listen_options opt = LISTEN_OPTIONS_DEFAULT;
    struct net_address addr;
    int fd = listen_any(&addr, &opt);

    cr_expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
    cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    cr_expect_eq(get_int(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
    close(fd);
}

Test(listener, workers_share_an_address_but_a_second_server_does_not)
{
    struct listen_options opt = LISTEN_OPTIONS_DEFAULT;
    struct net_address addr;
    int fd = listen_any(&addr, &opt), second, third;

    cr_assert_eq(net_listen(&addr, &opt, false, &second, &failed), 0, "%s", failed);
    cr_expect_eq(net_listen(&addr, &opt, true, &third, &failed), -EADDRINUSE);
    cr_expect_str_eq(failed, "bind()");
    cr_expect_eq(third, -1);
    cr_expect_eq(net_probe(&addr, &opt, &failed), -EADDRINUSE);
    close(fd);
    close(second);
    cr_expect_eq(net_probe(&addr, &opt, &failed), 0);
}

Test(listener, ipv6only)
{
    struct listen_options opt = LISTEN_OPTIONS_DEFAULT;
    struct net_address addr = {.len = sizeof(addr.in6)};
    int fd;

    addr.in6.sin6_family = AF_INET6;
    if (access("/proc/net/if_inet6", F_OK) != 0)
        cr_skip_test("no IPv6 here");
    cr_assert_eq(net_listen(&addr, &opt, true, &fd, &failed), 0);
    cr_expect_eq(get_int(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
    close(fd);
    opt.ipv6only = false;
    cr_assert_eq(net_listen(&addr, &opt, true, &fd, &failed), 0);
    cr_expect_eq(get_int(fd, IPPROTO_IPV6, IPV6_V6ONLY), 0);
    close(fd);
}

Test(listener, options_are_set_and_changed_by_a_reload)
{
    struct listen_options opt = LISTEN_OPTIONS_DEFAULT;
    struct net_address addr;

    opt.so_keepalive = KEEPALIVE_ON;
    opt.keepidle_s = 77;
    opt.keepcnt = 3;
    opt.deferred = true;
    opt.rcvbuf = 32768;
    int fd = listen_any(&addr, &opt);
    cr_expect_eq(get_int(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    cr_expect_eq(get_int(fd, IPPROTO_TCP, TCP_KEEPIDLE), 77);
    cr_expect_eq(get_int(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
    cr_expect_eq(get_int(fd, SOL_SOCKET, SO_RCVBUF), 65536, "the kernel doubles it");
    cr_expect_neq(get_int(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);

    opt.so_keepalive = KEEPALIVE_OFF;
    opt.deferred = false;
    net_listener_apply(fd, &addr, &opt);
    cr_expect_eq(get_int(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    cr_expect_eq(get_int(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
    close(fd);
}

Test(listener, an_address_that_is_not_ours_names_bind)
{
    struct listen_options opt = LISTEN_OPTIONS_DEFAULT;
    struct net_address addr = loopback();
    int fd;

    addr.in.sin_addr.s_addr = htonl(0xC0000201); // 192.0.2.1, RFC 5737
    net_address_set_port(&addr, 18999);
    cr_expect_eq(net_listen(&addr, &opt, true, &fd, &failed), -EADDRNOTAVAIL);
    cr_expect_str_eq(failed, "bind()");
}

Test(listener, unix_path)
{
    struct listen_options opt = LISTEN_OPTIONS_DEFAULT;
    struct net_address addr = {.len = sizeof(addr.un)};
    struct stat st;
    int fd, second;

    addr.un.sun_family = AF_UNIX;
    snprintf(addr.un.sun_path, sizeof(addr.un.sun_path), "/tmp/listener_test.%d", (int)getpid());
    cr_assert_eq(net_probe(&addr, &opt, &failed), 0, "%s", failed);
    cr_expect_eq(access(addr.un.sun_path, F_OK), -1, "a probe leaves nothing");
    cr_assert_eq(net_listen(&addr, &opt, true, &fd, &failed), 0, "%s", failed);
    cr_assert_eq(stat(addr.un.sun_path, &st), 0);
    cr_expect_eq(st.st_mode & 07777, 0666);
    close(fd);
    // A stale path is not taken over, as with nginx.
    cr_expect_eq(net_listen(&addr, &opt, true, &second, &failed), -EADDRINUSE);
    cr_expect_str_eq(failed, "bind()");
    cr_expect_eq(net_probe(&addr, &opt, &failed), -EADDRINUSE);
    cr_expect_eq(access(addr.un.sun_path, F_OK), 0, "a failed probe removes nothing");
    cr_expect_eq(net_listener_unlink(&addr), 0);
    cr_expect_eq(net_listener_unlink(&addr), -ENOENT);
}
