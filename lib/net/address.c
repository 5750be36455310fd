// SPDX-License-Identifier: Apache-2.0
//
// Parsing and printing of socket addresses, in nginx's forms and with nginx's error words. Knows no
// descriptor.
#include "lib/net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"

struct ports {
    uint16_t first, last;
};

static int fail(const char **error, const char *words)
{
    *error = words;
    return -EINVAL;
}

static bool port_number(struct sv text, uint16_t *port)
{
    uint64_t value;

    if (sv_to_u64(text, &value) != 0 || value < 1 || value > 65535)
        return false;
    *port = (uint16_t)value;
    return true;
}

// "80" or "80-90".
static int parse_ports(struct sv text, struct ports *ports, const char **error)
{
    ptrdiff_t dash = sv_find(text, '-');
    struct sv first = dash < 0 ? text : sv_take(text, (size_t)dash);

    if (!port_number(first, &ports->first))
        return fail(error, "invalid port");
    ports->last = ports->first;
    if (dash < 0)
        return 0;
    if (!port_number(sv_skip(text, (size_t)dash + 1), &ports->last))
        return fail(error, "invalid port");
    if (ports->last < ports->first)
        return fail(error, "invalid port range");
    return 0;
}

static bool all_digits(struct sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    }
    return s.n > 0;
}

// Digits, or digits and a dash and digits, are ports of the wildcard address; "my-host" is a name.
static bool is_ports_only(struct sv text)
{
    ptrdiff_t dash = sv_find(text, '-');

    if (dash < 0)
        return all_digits(text);
    return all_digits(sv_take(text, (size_t)dash)) && all_digits(sv_skip(text, (size_t)dash + 1));
}

static bool list_has(const struct net_address_list *list, const struct net_address *addr)
{
    for (size_t i = 0; i < list->count; i++) {
        if (net_address_eq(&list->at[i], addr))
            return true;
    }
    return false;
}

// `hosts` addresses at every port of the range. A name may resolve to the same address twice.
static int expand(struct arena *a, const struct net_address *hosts, size_t count,
                  struct ports ports, struct net_address_list *list)
{
    size_t nports = (size_t)(ports.last - ports.first) + 1;

    list->count = 0;
    list->at = arena_array(a, struct net_address, count * nports);
    if (list->at == NULL)
        return -ENOMEM;
    for (size_t h = 0; h < count; h++) {
        struct net_address addr = hosts[h];

        net_address_set_port(&addr, ports.first);
        if (list_has(list, &addr))
            continue;
        for (size_t i = 0; i < nports; i++) {
            net_address_set_port(&addr, (uint16_t)(ports.first + i));
            list->at[list->count++] = addr;
        }
    }
    return 0;
}

static int parse_unix(struct arena *a, struct sv path, struct net_address_list *list,
                      const char **error)
{
    if (path.n == 0)
        return fail(error, "no path in the unix domain socket");
    if (path.n >= sizeof(list->at->un.sun_path))
        return fail(error, "too long path in the unix domain socket");
    list->at = arena_new(a, struct net_address);
    if (list->at == NULL)
        return -ENOMEM;
    list->count = 1;
    list->at->un.sun_family = AF_UNIX;
    memcpy(list->at->un.sun_path, path.p, path.n);
    list->at->len = sizeof(struct sockaddr_un);
    return 0;
}

static int parse_inet6(struct arena *a, struct sv text, uint16_t default_port,
                       struct net_address_list *list, const char **error)
{
    struct net_address addr = {.in6 = {.sin6_family = AF_INET6}, .len = sizeof(addr.in6)};
    struct ports ports = {default_port, default_port};
    char host[INET6_ADDRSTRLEN];
    ptrdiff_t close = sv_find(text, ']');

    if (close < 0 || sv_find(text, '/') >= 0)
        return fail(error, "invalid host");
    struct sv rest = sv_skip(text, (size_t)close + 1);
    if (rest.n > 0) {
        if (rest.p[0] != ':')
            return fail(error, "invalid host");
        int rc = parse_ports(sv_skip(rest, 1), &ports, error);
        if (rc != 0)
            return rc;
    }
    if (close == 1)
        return fail(error, "no host");
    struct sv inner = sv_of(text.p + 1, (size_t)close - 1);
    if (inner.n >= sizeof(host))
        return fail(error, "invalid IPv6 address");
    memcpy(host, inner.p, inner.n);
    host[inner.n] = '\0';
    if (inet_pton(AF_INET6, host, &addr.in6.sin6_addr) != 1)
        return fail(error, "invalid IPv6 address");
    return expand(a, &addr, 1, ports, list);
}

static size_t copy_results(const struct addrinfo *found, struct net_address *out)
{
    size_t n = 0;

    for (const struct addrinfo *ai = found; ai != NULL; ai = ai->ai_next) {
        if (ai->ai_family != AF_INET && ai->ai_family != AF_INET6)
            continue;
        if (out != NULL)
            net_address_set(&out[n], ai->ai_addr, ai->ai_addrlen);
        n++;
    }
    return n;
}

static int resolve(struct arena *a, const char *host, struct ports ports,
                   struct net_address_list *list, const char **error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found;

    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return fail(error, "host not found");
    size_t count = copy_results(found, NULL);
    int rc = -EINVAL;
    if (count == 0) {
        *error = "host not found";
    } else {
        struct net_address *hosts = arena_array(a, struct net_address, count);

        rc = -ENOMEM;
        if (hosts != NULL) {
            copy_results(found, hosts);
            rc = expand(a, hosts, count, ports, list);
        }
    }
    freeaddrinfo(found);
    return rc;
}

static int parse_host(struct arena *a, struct sv host, struct ports ports,
                      struct net_address_list *list, const char **error)
{
    struct net_address addr = {.in = {.sin_family = AF_INET}, .len = sizeof(addr.in)};

    if (host.n == 0)
        return fail(error, "no host");
    if (sv_eq(host, SV("*")))
        return expand(a, &addr, 1, ports, list);
    char *name = arena_strndup(a, host.p, host.n);
    if (name == NULL)
        return -ENOMEM;
    if (inet_pton(AF_INET, name, &addr.in.sin_addr) == 1)
        return expand(a, &addr, 1, ports, list);
    return resolve(a, name, ports, list, error);
}

int net_address_parse(struct arena *a, struct sv text, uint16_t default_port,
                      struct net_address_list *list, const char **error)
{
    struct ports ports = {default_port, default_port};
    struct sv host = text;

    *list = (struct net_address_list){NULL, 0};
    *error = NULL;
    if (sv_starts_nocase(text, SV("unix:")))
        return parse_unix(a, sv_skip(text, 5), list, error);
    if (text.n > 0 && text.p[0] == '[')
        return parse_inet6(a, text, default_port, list, error);
    if (sv_find(text, '/') >= 0 || sv_find(text, '?') >= 0)
        return fail(error, "invalid host");

    ptrdiff_t colon = sv_find(text, ':');
    struct sv port_text = {NULL, 0};
    if (colon >= 0) {
        host = sv_take(text, (size_t)colon);
        port_text = sv_skip(text, (size_t)colon + 1);
    } else if (is_ports_only(text)) {
        host = SV("*");
        port_text = text;
    }
    if (colon >= 0 || port_text.n > 0) {
        int rc = parse_ports(port_text, &ports, error);
        if (rc != 0)
            return rc;
    }
    return parse_host(a, host, ports, list, error);
}

static const char *unix_path(const struct net_address *addr, size_t *n)
{
    size_t head = offsetof(struct sockaddr_un, sun_path);
    size_t room = addr->len > head ? addr->len - head : 0;

    *n = strnlen(addr->un.sun_path, min_of(room, sizeof(addr->un.sun_path)));
    return addr->un.sun_path;
}

size_t net_address_format(const struct net_address *addr, bool with_port,
                          char out[NET_ADDRESS_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "";
    size_t path_len;
    int n;

    // An unnamed Unix peer may come with a family alone, or with nothing at all.
    if (addr->len < sizeof(sa_family_t) || addr->sa.sa_family == AF_UNIX) {
        const char *path = unix_path(addr, &path_len);

        n = snprintf(out, NET_ADDRESS_TEXT_MAX, "unix:%.*s", (int)path_len, path);
    } else if (addr->sa.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &addr->in6.sin6_addr, host, sizeof(host));
        n = with_port ? snprintf(out, NET_ADDRESS_TEXT_MAX, "[%s]:%u", host,
                                 net_address_port(addr))
                      : snprintf(out, NET_ADDRESS_TEXT_MAX, "%s", host);
    } else {
        inet_ntop(AF_INET, &addr->in.sin_addr, host, sizeof(host));
        n = with_port ? snprintf(out, NET_ADDRESS_TEXT_MAX, "%s:%u", host, net_address_port(addr))
                      : snprintf(out, NET_ADDRESS_TEXT_MAX, "%s", host);
    }
    check(n >= 0 && (size_t)n < NET_ADDRESS_TEXT_MAX);
    return (size_t)n;
}

bool net_address_eq(const struct net_address *a, const struct net_address *b)
{
    if (a->sa.sa_family != b->sa.sa_family)
        return false;
    if (a->sa.sa_family == AF_UNIX) {
        size_t an, bn;
        const char *ap = unix_path(a, &an), *bp = unix_path(b, &bn);

        return an == bn && memcmp(ap, bp, an) == 0;
    }
    if (net_address_port(a) != net_address_port(b))
        return false;
    if (a->sa.sa_family == AF_INET6)
        return memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) == 0;
    return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
}

bool net_address_is_wildcard(const struct net_address *addr)
{
    if (addr->sa.sa_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&addr->in6.sin6_addr);
    return addr->sa.sa_family == AF_INET && addr->in.sin_addr.s_addr == htonl(INADDR_ANY);
}

uint16_t net_address_port(const struct net_address *addr)
{
    if (addr->sa.sa_family == AF_INET6)
        return ntohs(addr->in6.sin6_port);
    return addr->sa.sa_family == AF_INET ? ntohs(addr->in.sin_port) : 0;
}

void net_address_set_port(struct net_address *addr, uint16_t port)
{
    if (addr->sa.sa_family == AF_INET6)
        addr->in6.sin6_port = htons(port);
    else if (addr->sa.sa_family == AF_INET)
        addr->in.sin_port = htons(port);
}

void net_address_set(struct net_address *addr, const struct sockaddr *sa, socklen_t len)
{
    *addr = (struct net_address){.len = min_of(len, (socklen_t)sizeof(addr->un))};
    memcpy(&addr->sa, sa, addr->len);
}
