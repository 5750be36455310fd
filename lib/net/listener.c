// SPDX-License-Identifier: Apache-2.0
//
// Making listening sockets and setting their options. Which sockets there are, and who inherits
// them, is decided elsewhere.
#include "lib/net/listener.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"

static int set_int(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == 0 ? 0 : -errno;
}

// A socket bound to the address, not yet listening.
static int bind_socket(const struct net_address *addr, const struct listen_options *opt,
                       bool reuseport, int *out, const char **failed)
{
    int family = addr->sa.sa_family, rc = 0;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    *failed = "socket()";
    if (fd < 0)
        return -errno;
    *failed = "setsockopt(SO_REUSEADDR)";
    rc = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (rc == 0 && reuseport && family != AF_UNIX) {
        *failed = "setsockopt(SO_REUSEPORT)";
        rc = set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    if (rc == 0 && family == AF_INET6) {
        *failed = "setsockopt(IPV6_V6ONLY)";
        rc = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, opt->ipv6only);
    }
    if (rc == 0) {
        *failed = "bind()";
        rc = bind(fd, &addr->sa, addr->len) == 0 ? 0 : -errno;
    }
    if (rc != 0) {
        close(fd);
        return rc;
    }
    *out = fd;
    return 0;
}

int net_probe(const struct net_address *addr, const struct listen_options *opt,
              const char **failed)
{
    int fd = -1;
    int rc = bind_socket(addr, opt, false, &fd, failed);

    if (rc != 0)
        return rc;
    close(fd);
    *failed = "unlink()";
    return net_listener_unlink(addr);
}

int net_listen(const struct net_address *addr, const struct listen_options *opt, bool first,
               int *out, const char **failed)
{
    bool is_unix = addr->sa.sa_family == AF_UNIX;
    int fd = -1, rc = 0;

    *out = -1;
    // Port 0 means any free port, which nobody can hold.
    if (first && !is_unix && net_address_port(addr) != 0)
        rc = net_probe(addr, opt, failed);
    if (rc == 0)
        rc = bind_socket(addr, opt, true, &fd, failed);
    if (rc != 0)
        return rc;
    if (is_unix && chmod(addr->un.sun_path, 0666) != 0) {
        *failed = "chmod()";
        rc = -errno;
    }
    if (rc == 0 && listen(fd, opt->backlog) != 0) {
        *failed = "listen()";
        rc = -errno;
    }
    if (rc != 0) {
        close(fd);
        if (is_unix)
            unlink(addr->un.sun_path);
        return rc;
    }
    net_listener_apply(fd, addr, opt);
    *out = fd;
    return 0;
}

// One option of a socket that works without it.
struct setting {
    int level, name, value;
    bool wanted;
    const char *text;
};

static void apply(int fd, const char *addr_text, const struct setting *s)
{
    int rc = s->wanted ? set_int(fd, s->level, s->name, s->value) : 0;

    if (rc != 0)
        log_alert(-rc, "setsockopt(%s, %d) %s failed, ignored", s->text, s->value, addr_text);
}

// The kernel's value is turned off only when it is on, so that a socket that never had the option
// costs nothing and says nothing (fast open off is an error where the system has it disabled).
static bool deferred_now(int fd)
{
    int value = 0;
    socklen_t len = sizeof(value);

    return getsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &value, &len) == 0 && value != 0;
}

void net_listener_apply(int fd, const struct net_address *addr,
                        const struct listen_options *opt)
{
    char text[NET_ADDRESS_TEXT_MAX];
    bool tcp = addr->sa.sa_family != AF_UNIX;
    bool tuned = tcp && opt->so_keepalive == KEEPALIVE_ON;
    const struct setting settings[] = {
        {SOL_SOCKET, SO_RCVBUF, opt->rcvbuf, opt->rcvbuf != -1, "SO_RCVBUF"},
        {SOL_SOCKET, SO_SNDBUF, opt->sndbuf, opt->sndbuf != -1, "SO_SNDBUF"},
        {SOL_SOCKET, SO_KEEPALIVE, opt->so_keepalive == KEEPALIVE_ON,
         opt->so_keepalive != KEEPALIVE_SYSTEM, "SO_KEEPALIVE"},
        {IPPROTO_TCP, TCP_KEEPIDLE, opt->keepidle_s, tuned && opt->keepidle_s > 0,
         "TCP_KEEPIDLE"},
        {IPPROTO_TCP, TCP_KEEPINTVL, opt->keepintvl_s, tuned && opt->keepintvl_s > 0,
         "TCP_KEEPINTVL"},
        {IPPROTO_TCP, TCP_KEEPCNT, opt->keepcnt, tuned && opt->keepcnt > 0, "TCP_KEEPCNT"},
        {IPPROTO_TCP, TCP_FASTOPEN, opt->fastopen, tcp && opt->fastopen != -1, "TCP_FASTOPEN"},
        // Inherited by what is accepted: responses are put together by MSG_MORE, never by Nagle.
        {IPPROTO_TCP, TCP_NODELAY, 1, tcp, "TCP_NODELAY"},
        // Nothing tells how long a connection waited, so one second, as in nginx.
        {IPPROTO_TCP, TCP_DEFER_ACCEPT, opt->deferred,
         tcp && (opt->deferred || deferred_now(fd)), "TCP_DEFER_ACCEPT"},
    };

    net_address_format(addr, true, text);
    for (size_t i = 0; i < array_len(settings); i++)
        apply(fd, text, &settings[i]);
    // On a socket that listens already, this changes its backlog alone.
    if (listen(fd, opt->backlog) != 0)
        log_alert(errno, "listen() to %s, backlog %d failed, ignored", text, opt->backlog);
}

int net_listener_unlink(const struct net_address *addr)
{
    if (addr->sa.sa_family != AF_UNIX || addr->un.sun_path[0] == '\0')
        return 0;
    return unlink(addr->un.sun_path) == 0 ? 0 : -errno;
}
