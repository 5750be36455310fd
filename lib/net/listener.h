// SPDX-License-Identifier: Apache-2.0
//
// Listening sockets and the options of nginx's `listen` directive. A TCP address has one socket for
// each worker, all in one SO_REUSEPORT group, so that the kernel spreads connections; a Unix path
// has a single socket that all workers share.
#pragma once

#include <stdbool.h>

#include "lib/base/compiler.h"
#include "lib/net/address.h"

#define LISTEN_BACKLOG 511 // nginx's default on Linux

enum listen_keepalive { KEEPALIVE_SYSTEM, KEEPALIVE_ON, KEEPALIVE_OFF };

// Start from LISTEN_OPTIONS_DEFAULT: a zeroed one is not the default.
struct listen_options {
    int backlog;
    int rcvbuf, sndbuf; // bytes; -1: the system's
    int fastopen;       // queue length; -1: not set
    bool deferred;      // TCP_DEFER_ACCEPT
    bool reuseport;     // said in the configuration; the group is made without it too
    bool ipv6only;      // an IPv6 socket leaves IPv4 alone
    enum listen_keepalive so_keepalive;
    int keepidle_s, keepintvl_s, keepcnt; // 0: the system's; only with KEEPALIVE_ON
};

#define LISTEN_OPTIONS_DEFAULT                                                          \
    ((struct listen_options){.backlog = LISTEN_BACKLOG, .rcvbuf = -1, .sndbuf = -1,     \
                             .fastopen = -1, .ipv6only = true})

// Is the address free, and may we have it? Binds a socket without SO_REUSEPORT and closes it again;
// a Unix path is removed again. 0 or -errno; *failed names the call, as for net_listen().
must_check int net_probe(const struct net_address *addr, const struct listen_options *opt,
                         const char **failed);

// A listening socket: close-on-exec, non-blocking, SO_REUSEADDR, and SO_REUSEPORT for TCP. `first`:
// the caller holds no socket of this address. The kernel would let any process of the same user
// into a reuseport group, so such an address is probed before (see net_probe) and a second server
// gets EADDRINUSE, as it gets it from nginx. A Unix path that exists is EADDRINUSE too, even when
// nobody listens on it; its mode becomes 0666.
// 0 or -errno; *failed is then the call that failed, in nginx's words: "socket()", "bind()",
// "listen()", "setsockopt(SO_REUSEADDR)", ...
must_check int net_listen(const struct net_address *addr, const struct listen_options *opt,
                          bool first, int *fd, const char **failed);

// Sets what can be set on a socket that listens already (inherited, or after a reload): buffers,
// keep-alive, fast open, backlog, deferred accept. What fails is logged as [alert] and ignored, as
// nginx does.
void net_listener_apply(int fd, const struct net_address *addr,
                        const struct listen_options *opt);

// Removes the path of a Unix socket, when the last process that listens on it goes. 0 for other
// families.
must_check int net_listener_unlink(const struct net_address *addr);
