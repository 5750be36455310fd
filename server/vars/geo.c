// SPDX-License-Identifier: Apache-2.0
//
// From a request to the address that `geo` looks up, and to its value.
#include "server/vars/geo.h"

#include <arpa/inet.h>
#include <errno.h>

#include "server/conn/conn.h"
#include "server/request/request.h"
#include "server/vars/vars.h"

// As a connection's peer: sa_family is 0 for what has no address.
union geo_address {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

int geo_parse_ipv4(struct sv text, uint32_t *address)
{
    uint32_t sum = 0, octet = 0, dots = 0, digits = 0;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (c >= '0' && c <= '9') {
            octet = octet * 10 + (uint32_t)(c - '0');
            digits++;
        } else if (c == '.' && digits != 0) {
            sum = sum << 8 | octet;
            octet = digits = 0;
            dots++;
        } else {
            return -EINVAL;
        }
        if (octet > 255 || dots > 3)
            return -EINVAL;
    }
    if (dots != 3 || digits == 0)
        return -EINVAL;
    *address = sum << 8 | octet;
    return 0;
}

static bool parse_ipv6(struct sv text, struct in6_addr *out)
{
    char copy[INET6_ADDRSTRLEN];

    if (text.n == 0 || text.n >= sizeof(copy))
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return inet_pton(AF_INET6, copy, out) == 1;
}

// *out is as it was when the text is no address.
static bool parse_address(struct sv text, union geo_address *out)
{
    struct in6_addr six;
    uint32_t four;

    if (geo_parse_ipv4(text, &four) == 0)
        out->in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(four)};
    else if (parse_ipv6(text, &six))
        out->in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = six};
    else
        return false;
    return true;
}

static bool is_port(struct sv text)
{
    uint64_t port;

    return sv_to_u64(text, &port) == 0 && port >= 1 && port <= 65535;
}

// An address of X-Forwarded-For: some proxies put a port behind it, or brackets around it.
static bool parse_forwarded(struct sv text, union geo_address *out)
{
    bool bracket = text.n != 0 && text.p[0] == '[';
    ptrdiff_t end = sv_find(text, bracket ? ']' : ':');

    if (parse_address(text, out))
        return true;
    if (end < 0)
        return false;
    struct sv host = sv_take(text, (size_t)end), behind = sv_skip(text, (size_t)end);
    if (bracket) {
        host = sv_skip(host, 1);
        behind = sv_skip(behind, 1);
        if (behind.n == 0)
            return parse_address(host, out);
    }
    return behind.n != 0 && behind.p[0] == ':' && is_port(sv_skip(behind, 1)) &&
           parse_address(host, out);
}

static bool is_trusted(const struct geo *g, const union geo_address *address)
{
    for (const struct geo_proxy *p = g->proxies; p != NULL; p = p->next) {
        if (net_prefix_has(&p->prefix, &address->sa))
            return true;
    }
    return false;
}

// The X-Forwarded-For line before field *at, which becomes its index.
static bool previous_line(const struct request *r, uint32_t *at, struct sv *line)
{
    while (*at > 0) {
        const struct http_field *f = &r->parsed.fields[--*at];
        struct sv name = sv_of(r->head + f->name, f->name_len);

        if (!f->ignored && sv_eq_nocase(name, SV("x-forwarded-for"))) {
            *line = sv_of(r->head + f->value, f->value_len);
            return true;
        }
    }
    return false;
}

static bool is_separator(char c)
{
    return c == ' ' || c == ',';
}

// Cuts the last word from the line.
static struct sv take_last(struct sv *line)
{
    size_t end = line->n;

    while (end > 0 && is_separator(line->p[end - 1]))
        end--;
    size_t start = end;
    while (start > 0 && !is_separator(line->p[start - 1]))
        start--;
    struct sv word = sv_of(line->p + start, end - start);
    *line = sv_take(*line, start);
    return word;
}

// Each proxy appended the address that it was connected with, so the list is read from its end, for
// as long as the one who wrote the word is trusted. What is no address ends it.
static void follow_proxies(const struct geo *g, const struct request *r,
                           union geo_address *address)
{
    struct sv line = SV("");
    uint32_t at = r->parsed.nfields;

    do {
        if (!is_trusted(g, address))
            return;
        if (line.n == 0 && !previous_line(r, &at, &line))
            return;
        if (!parse_forwarded(take_last(&line), address))
            return;
    } while (g->proxy_recursive);
}

static bool first_address(const struct geo *g, struct request *r, union geo_address *address)
{
    struct sv text;

    if (g->source != NULL)
        return vars_read(r, g->source, &text) && parse_address(text, address);
    conn_peer(r->conn);
    address->in6 = r->conn->peer.in6; // the largest member, so it is all of them
    return true;
}

static const struct sv *find_ipv4(const struct geo *g, uint32_t address)
{
    uint32_t bytes = htonl(address);

    if (!g->by_ranges)
        return geo_networks_find(&g->networks, AF_INET, (const unsigned char *)&bytes);
    const struct sv *value = geo_ranges_find(&g->ranges, address);
    return value != NULL ? value : g->fallback;
}

static const struct sv *find_ipv6(const struct geo *g, const struct in6_addr *address)
{
    uint32_t four;

    if (IN6_IS_ADDR_V4MAPPED(address)) {
        memcpy(&four, address->s6_addr + 12, sizeof(four));
        return find_ipv4(g, ntohl(four));
    }
    if (g->by_ranges)
        return g->fallback;
    return geo_networks_find(&g->networks, AF_INET6, address->s6_addr);
}

const struct sv *geo_find(const struct geo *g, const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return find_ipv4(g, ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr));
    if (address->sa_family == AF_INET6)
        return find_ipv6(g, &((const struct sockaddr_in6 *)address)->sin6_addr);
    return find_ipv4(g, INADDR_NONE);
}

bool geo_get(void *ctx, const struct var *v, struct sv *out)
{
    const struct geo *g = (const struct geo *)v->data;
    union geo_address address = {.sa = {.sa_family = 0}};
    struct request *r = ctx;

    if (first_address(g, r, &address))
        follow_proxies(g, r, &address);
    const struct sv *value = geo_find(g, &address.sa);
    *out = value != NULL ? *value : SV("");
    return true;
}
