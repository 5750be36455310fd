// SPDX-License-Identifier: Apache-2.0
//
// Options of connections, read back from the kernel.
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "lib/net/listener.h"
#include "lib/net/sockopt.h"

static struct net_address server;
static int listener, client, accepted;

static void setup(void)
{
    struct listen_options opt = LISTEN_OPTIONS_DEFAULT;
    const char *failed;

    server = (struct net_address){.len = sizeof(server.in)};
    server.in.sin_family = AF_INET;
    server.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(net_listen(&server, &opt, true, &listener, &failed), 0);
    cr_assert_eq(net_local_address(listener, &server), 0);
    client = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(client, &server.sa, server.len), 0);
    poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, 2000);
    accepted = accept(listener, NULL, NULL);
    cr_assert_geq(accepted, 0);
}

static void teardown(void)
{
    close(listener);
    close(client);
    close(accepted);
}

TestSuite(sockopt, .init = setup, .fini = teardown);

Test(sockopt, both_ends)
{
    struct net_address peer, local, client_local;

    cr_assert_eq(net_peer_address(accepted, &peer), 0);
    cr_assert_eq(net_local_address(accepted, &local), 0);
    cr_assert_eq(net_local_address(client, &client_local), 0);
    cr_expect(net_address_eq(&local, &server));
    cr_expect(net_address_eq(&peer, &client_local));
    cr_expect_eq(net_peer_address(listener, &peer), -ENOTCONN);
}

Test(sockopt, pacing_takes_rates_over_32_bits)
{
    uint64_t rate = 0;
    socklen_t len = sizeof(rate);

    cr_assert_eq(net_set_pacing(accepted, 40000000000ull), 0);
    cr_assert_eq(getsockopt(accepted, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, &len), 0);
    cr_expect_eq(rate, 40000000000ull);
    cr_assert_eq(net_set_pacing(accepted, 0), 0);
    cr_assert_eq(getsockopt(accepted, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, &len), 0);
    cr_expect_eq(rate, UINT64_MAX);
}

Test(sockopt, linger_reset_resets)
{
    char byte;

    cr_assert_eq(net_set_linger_reset(accepted), 0);
    close(accepted);
    cr_expect_eq(recv(client, &byte, 1, 0), -1);
    cr_expect_eq(errno, ECONNRESET);
    accepted = -1;
}

Test(sockopt, tcp_info_and_cpu)
{
    struct net_tcp_info info = {0};
    int cpu = -2, pair[2];

    cr_assert_eq(net_tcp_info(accepted, &info), 0);
    cr_expect_gt(info.rtt_us, 0);
    cr_expect_gt(info.snd_cwnd, 0);
    cr_expect_gt(info.rcv_space, 0);
    cr_assert_eq(net_incoming_cpu(accepted, &cpu), 0);
    cr_expect_geq(cpu, 0);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    cr_expect_neq(net_tcp_info(pair[0], &info), 0);
    close(pair[0]);
    close(pair[1]);
}

Test(sockopt, mark_needs_a_capability)
{
    uint32_t mark = 0;
    socklen_t len = sizeof(mark);
    int rc = net_set_mark(accepted, 0x2003);

    if (rc == -EPERM)
        cr_skip_test("without CAP_NET_RAW");
    cr_assert_eq(rc, 0);
    cr_assert_eq(getsockopt(accepted, SOL_SOCKET, SO_MARK, &mark, &len), 0);
    cr_expect_eq(mark, 0x2003);
    cr_expect_eq(net_set_mark(accepted, 0), 0);
}
