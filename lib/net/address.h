// SPDX-License-Identifier: Apache-2.0
//
// Socket addresses as nginx's configuration writes them and as its variables and messages show
// them. Names are looked up with getaddrinfo(3), which waits: only for the load of a configuration.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/base/arena.h"
#include "lib/base/compiler.h"
#include "lib/base/sv.h"

struct net_address {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    };
    socklen_t len; // bytes of the union in use; 0: no address
};

// Room for any text form with its terminator: "unix:" and a path is the longest.
#define NET_ADDRESS_TEXT_MAX (sizeof("unix:") + sizeof(((struct sockaddr_un *)0)->sun_path))

struct net_address_list {
    struct net_address *at; // the caller's arena
    size_t count;           // at least 1 after success; no two are equal
};

// The address of a `listen` directive: "8080", "8080-8090", "*:80", "127.0.0.1:8080", "[::]:80",
// "localhost:8000", "unix:/path"; without a port, `default_port` is taken. A port range and a name
// with several addresses give several. 0; -EINVAL with *error set to nginx's words ("invalid port",
// "host not found", ...), to be followed by ` in "TEXT" of the "listen" directive`; -ENOMEM.
must_check int net_address_parse(struct arena *a, struct sv text, uint16_t default_port,
                                 struct net_address_list *list, const char **error);

// "127.0.0.1:80", "[::1]:80", "unix:/path" with the port; "127.0.0.1", "::1", "unix:/path"
// without it ($remote_addr, $server_addr). A nameless Unix peer is "unix:". Terminated; gives the
// length.
size_t net_address_format(const struct net_address *addr, bool with_port,
                          char out[NET_ADDRESS_TEXT_MAX]);

// Same family, host and port (or path).
bool net_address_eq(const struct net_address *a, const struct net_address *b);

// 0.0.0.0 or [::].
bool net_address_is_wildcard(const struct net_address *addr);

// In host order; 0 for a Unix socket.
uint16_t net_address_port(const struct net_address *addr);
void net_address_set_port(struct net_address *addr, uint16_t port);

// A copy of what the kernel gave: longer lengths are cut.
void net_address_set(struct net_address *addr, const struct sockaddr *sa, socklen_t len);
