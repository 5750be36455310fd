// SPDX-License-Identifier: Apache-2.0
//
// Options and facts of one connection's socket. Only TCP knows most of them: on another family they
// give -EOPNOTSUPP or what else the kernel says, and the caller goes on.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/compiler.h"
#include "lib/net/address.h"

// The kernel sends at most so many bytes in a second (SO_MAX_PACING_RATE, 64 bits, no timer of
// ours; TCP paces by itself where the fq qdisc is missing). 0: as fast as it can.
must_check int net_set_pacing(int fd, uint64_t bytes_per_s);

// close(2) will reset the connection and drop what was not sent (reset_timedout_connection). 0 or
// -errno, as all below: then it will end as any other.
int net_set_linger_reset(int fd);

// The two ends. 0 or -errno (ENOTCONN when the peer has gone already).
must_check int net_peer_address(int fd, struct net_address *addr);
must_check int net_local_address(int fd, struct net_address *addr);

// nginx's $tcpinfo_rtt, $tcpinfo_rttvar (microseconds), $tcpinfo_snd_cwnd (segments),
// $tcpinfo_rcv_space (bytes). tcp(7), TCP_INFO.
struct net_tcp_info {
    uint32_t rtt_us, rttvar_us, snd_cwnd, rcv_space;
};
must_check int net_tcp_info(int fd, struct net_tcp_info *info);

// The CPU that processed the last packet (SO_INCOMING_CPU), or -errno.
must_check int net_incoming_cpu(int fd, int *cpu);
// The queue that it came by (SO_INCOMING_NAPI_ID); 0: none is known (loopback, most virtual
// interfaces). A number like this means an interface only for as long as that is up (napi.h).
must_check int net_incoming_napi(int fd, uint32_t *id);

// SO_MARK (socket(7)): for tc and routing rules. -EPERM without CAP_NET_ADMIN or CAP_NET_RAW.
must_check int net_set_mark(int fd, uint32_t mark);
