// SPDX-License-Identifier: Apache-2.0
#include "lib/net/prefix.h"

#include <arpa/inet.h>
#include <errno.h>

static bool clear_host_bits(unsigned char *bytes, unsigned length, unsigned bits)
{
    bool dropped = false;

    for (unsigned i = 0; i < length; i++) {
        unsigned kept = bits >= 8 * (i + 1) ? 8 : bits > 8 * i ? bits - 8 * i : 0;
        unsigned char mask = (unsigned char)(0xff00u >> kept);
        dropped = dropped || (bytes[i] & ~mask) != 0;
        bytes[i] &= mask;
    }
    return dropped;
}

int net_prefix_parse(struct sv text, struct net_prefix *out, bool *host_bits)
{
    char address[INET6_ADDRSTRLEN];
    ptrdiff_t slash = sv_find(text, '/');
    struct sv host = slash >= 0 ? sv_take(text, (size_t)slash) : text;
    uint64_t bits;

    if (host.n == 0 || host.n >= sizeof(address))
        return -EINVAL;
    memcpy(address, host.p, host.n);
    address[host.n] = '\0';
    *out = (struct net_prefix){.family = AF_INET};
    if (inet_pton(AF_INET, address, out->bytes) != 1) {
        out->family = AF_INET6;
        if (inet_pton(AF_INET6, address, out->bytes) != 1)
            return -EINVAL;
    }
    unsigned length = out->family == AF_INET ? 4 : 16;
    bits = length * 8;
    if (slash >= 0 && sv_to_u64(sv_skip(text, (size_t)slash + 1), &bits) != 0)
        return -EINVAL;
    if (bits > length * 8)
        return -EINVAL;
    out->bits = (unsigned)bits;
    bool dropped = clear_host_bits(out->bytes, length, out->bits);
    if (host_bits != NULL)
        *host_bits = dropped;
    return 0;
}

static bool bits_equal(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) & (0xff00u >> rest) & 0xff) == 0;
}

bool net_prefix_has(const struct net_prefix *p, const struct sockaddr *address)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;

    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)address;
        const unsigned char *bytes = (const unsigned char *)&four->sin_addr;
        return p->family == AF_INET && bits_equal(p->bytes, bytes, p->bits);
    }
    if (address->sa_family != AF_INET6)
        return false;
    if (p->family == AF_INET6)
        return bits_equal(p->bytes, six->sin6_addr.s6_addr, p->bits);
    return IN6_IS_ADDR_V4MAPPED(&six->sin6_addr) &&
           bits_equal(p->bytes, six->sin6_addr.s6_addr + 12, p->bits);
}
