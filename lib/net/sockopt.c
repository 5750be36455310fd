// SPDX-License-Identifier: Apache-2.0
//
// Thin, typed wrappers of setsockopt(2) and getsockopt(2) for connections.
#include "lib/net/sockopt.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>

static int set_option(int fd, int level, int name, const void *value, socklen_t len)
{
    return setsockopt(fd, level, name, value, len) == 0 ? 0 : -errno;
}

int net_set_pacing(int fd, uint64_t bytes_per_s)
{
    // All ones is "unlimited" in either width.
    uint64_t rate = bytes_per_s == 0 ? UINT64_MAX : bytes_per_s;

    return set_option(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate));
}

int net_set_linger_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    return set_option(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

int net_peer_address(int fd, struct net_address *addr)
{
    *addr = (struct net_address){.len = sizeof(addr->un)};
    return getpeername(fd, &addr->sa, &addr->len) == 0 ? 0 : -errno;
}

int net_local_address(int fd, struct net_address *addr)
{
    *addr = (struct net_address){.len = sizeof(addr->un)};
    return getsockname(fd, &addr->sa, &addr->len) == 0 ? 0 : -errno;
}

int net_tcp_info(int fd, struct net_tcp_info *info)
{
    struct tcp_info ti = {0};
    socklen_t len = sizeof(ti);

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len) != 0)
        return -errno;
    *info = (struct net_tcp_info){ti.tcpi_rtt, ti.tcpi_rttvar, ti.tcpi_snd_cwnd,
                                  ti.tcpi_rcv_space};
    return 0;
}

int net_incoming_cpu(int fd, int *cpu)
{
    socklen_t len = sizeof(*cpu);

    return getsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, cpu, &len) == 0 ? 0 : -errno;
}

int net_incoming_napi(int fd, uint32_t *id)
{
    socklen_t len = sizeof(*id);

    return getsockopt(fd, SOL_SOCKET, SO_INCOMING_NAPI_ID, id, &len) == 0 ? 0 : -errno;
}

int net_set_mark(int fd, uint32_t mark)
{
    return setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0 ? 0 : -errno;
}
