// SPDX-License-Identifier: Apache-2.0
//
// Variables of the connection: its two ends, its number and age, what the kernel knows of it;
// and the gauges of stub_status.
#include <arpa/inet.h>
#include <stddef.h>

#include "lib/base/clock.h"
#include "lib/net/address.h"
#include "lib/net/sockopt.h"
#include "server/conn/conn.h"
#include "server/process/stats.h"
#include "server/vars/vars_priv.h"

#define IPV4_TEXT_MAX 16

// In nearly every log line, and inet_ntop(3) goes through sprintf.
static struct sv ipv4_text(struct request *r, const struct in_addr *addr)
{
    char *p = arena_alloc(&r->arena, IPV4_TEXT_MAX), *end = p;
    unsigned char byte[4];

    if (p == NULL)
        return sv_of("", 0);
    memcpy(byte, addr, sizeof(byte));
    for (int i = 0; i < 4; i++) {
        if (i != 0)
            *end++ = '.';
        end = vars_put_number(end, byte[i], 1);
    }
    return sv_of(p, (size_t)(end - p));
}

static struct sv ipv6_text(struct request *r, const struct in6_addr *addr)
{
    char *p = arena_alloc(&r->arena, INET6_ADDRSTRLEN);

    if (p == NULL || inet_ntop(AF_INET6, addr, p, INET6_ADDRSTRLEN) == NULL)
        return sv_of("", 0);
    return sv_from(p);
}

struct sv vars_client_text(struct request *r)
{
    struct conn *c = r->conn;

    conn_peer(c);
    switch (c->peer.sa.sa_family) {
    case AF_INET:
        return ipv4_text(r, &c->peer.in.sin_addr);
    case AF_INET6:
        return ipv6_text(r, &c->peer.in6.sin6_addr);
    default:
        return SV("unix:");
    }
}

static bool get_remote_addr(void *ctx, const struct var *v, struct sv *out)
{
    (void)v;
    *out = vars_client_text(ctx);
    return true;
}

static bool get_binary_remote_addr(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;
    struct conn *c = r->conn;

    (void)v;
    conn_peer(c);
    if (c->peer.sa.sa_family == AF_INET)
        *out = sv_of((const char *)&c->peer.in.sin_addr, sizeof(c->peer.in.sin_addr));
    else if (c->peer.sa.sa_family == AF_INET6)
        *out = sv_of((const char *)&c->peer.in6.sin6_addr, sizeof(c->peer.in6.sin6_addr));
    else
        *out = SV("unix:");
    return true;
}

static bool put_port(struct request *r, uint16_t port, struct sv *out)
{
    *out = sv_of("", 0);
    return port == 0 || vars_number(r, port, 1, out);
}

static bool get_remote_port(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;
    struct conn *c = r->conn;

    (void)v;
    conn_peer(c);
    if (c->peer.sa.sa_family == AF_INET)
        return put_port(r, ntohs(c->peer.in.sin_port), out);
    if (c->peer.sa.sa_family == AF_INET6)
        return put_port(r, ntohs(c->peer.in6.sin6_port), out);
    return put_port(r, 0, out);
}

// Only a wildcard listener leaves open which of the machine's addresses was meant.
static bool local_address(const struct conn *c, struct net_address *addr)
{
    *addr = c->listen->address;
    return !net_address_is_wildcard(addr) || net_local_address(c->fd, addr) == 0;
}

static bool get_server_addr(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;
    struct net_address addr;
    char text[NET_ADDRESS_TEXT_MAX];

    (void)v;
    if (!local_address(r->conn, &addr))
        return false;
    return vars_copy(r, sv_of(text, net_address_format(&addr, false, text)), out);
}

static bool get_server_port(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;

    (void)v;
    return put_port(r, net_address_port(&r->conn->listen->address), out);
}

static bool get_connection(void *ctx, const struct var *v, struct sv *out)
{
    (void)v;
    const struct request *r = ctx;

    return vars_number(ctx, r->conn->number, 1, out);
}

static bool get_connection_requests(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;

    (void)v;
    return vars_number(r, r->conn->requests, 1, out);
}

static bool get_connection_time(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;
    uint64_t now = clock_mono_ms(), start = r->conn->start_ms;

    (void)v;
    return vars_seconds(r, now > start ? now - start : 0, out);
}

// `data` is the field's offset in struct net_tcp_info.
static bool get_tcpinfo(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;
    struct net_tcp_info info;
    uint32_t value;

    if (net_tcp_info(r->conn->fd, &info) != 0)
        return false;
    memcpy(&value, (const char *)&info + v->data, sizeof(value));
    return vars_number(r, value, 1, out);
}

bool vars_get_stat(void *ctx, const struct var *v, struct sv *out)
{
    struct stats sum;

    stats_sum(&sum);
    const _Atomic int64_t *field = (const _Atomic int64_t *)((const char *)&sum + v->data);
    int64_t n = atomic_load_explicit(field, memory_order_relaxed);
    return vars_number(ctx, n > 0 ? (uint64_t)n : 0, 1, out);
}

static const struct var_row rows[] = {
    {"remote_addr", get_remote_addr, 0, 0, NULL},
    {"binary_remote_addr", get_binary_remote_addr, 0, 0, NULL},
    {"remote_port", get_remote_port, 0, 0, NULL},
    {"server_addr", get_server_addr, 0, 0, NULL},
    {"server_port", get_server_port, 0, 0, NULL},
    {"connection", get_connection, 0, 0, NULL},
    {"connection_requests", get_connection_requests, 0, 0, NULL},
    {"connection_time", get_connection_time, 0, 0, NULL},
    {"tcpinfo_rtt", get_tcpinfo, offsetof(struct net_tcp_info, rtt_us), 0, NULL},
    {"tcpinfo_rttvar", get_tcpinfo, offsetof(struct net_tcp_info, rttvar_us), 0, NULL},
    {"tcpinfo_snd_cwnd", get_tcpinfo, offsetof(struct net_tcp_info, snd_cwnd), 0, NULL},
    {"tcpinfo_rcv_space", get_tcpinfo, offsetof(struct net_tcp_info, rcv_space), 0, NULL},
    {"connections_active", vars_get_stat, offsetof(struct stats, active), 0, NULL},
    {"connections_reading", vars_get_stat, offsetof(struct stats, reading), 0, NULL},
    {"connections_writing", vars_get_stat, offsetof(struct stats, writing), 0, NULL},
    {"connections_waiting", vars_get_stat, offsetof(struct stats, waiting), 0, NULL},
};

const struct var_table vars_conn_table = {rows, array_len(rows)};
