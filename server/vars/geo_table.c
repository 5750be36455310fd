// SPDX-License-Identifier: Apache-2.0
//
// Tables of tens of thousands of networks or ranges: a look-up takes as many steps as the
// logarithm of that, and adding a line does not move all the others.
#include "server/vars/geo_table.h"

#include <errno.h>
#include <stdlib.h>

#define BITS_MAX 128
#define BLOCKS 0x10000u // /16 networks
#define PIECES_AT_FIRST 8

// All below `child` begin with the first `bits` bits of `key`.
struct geo_node {
    struct geo_node *child[2]; // by the bit that follows
    const struct sv *value;    // NULL: only a fork
    unsigned bits;
    unsigned char key[16];
};

static unsigned common_bits(const unsigned char *a, const unsigned char *b, unsigned limit)
{
    unsigned n = 0;

    while (n < limit && a[n / 8] == b[n / 8])
        n += 8;
    if (n < limit)
        n += (unsigned)__builtin_clz((unsigned)(a[n / 8] ^ b[n / 8])) - 24;
    return min_of(n, limit);
}

static unsigned bit_of(const unsigned char *key, unsigned bit)
{
    return bit < BITS_MAX ? key[bit / 8] >> (7 - bit % 8) & 1 : 0;
}

static struct geo_node *new_node(struct arena *a, const struct net_prefix *p, unsigned bits)
{
    struct geo_node *n = arena_new(a, struct geo_node);

    if (n == NULL)
        return NULL;
    n->bits = bits;
    memcpy(n->key, p->bytes, sizeof(n->key));
    return n;
}

// Where the network is, or would hang; *common is how much of it what hangs there shares.
static struct geo_node **walk(struct geo_node **link, const struct net_prefix *p, unsigned *common)
{
    *common = 0;
    while (*link != NULL) {
        const struct geo_node *n = *link;

        *common = common_bits(n->key, p->bytes, min_of(n->bits, p->bits));
        if (*common < n->bits || n->bits == p->bits)
            break;
        link = &(*link)->child[bit_of(p->bytes, n->bits)];
    }
    return link;
}

// Puts a node above what hangs at `link`, which shares `bits` bits with the network.
static struct geo_node *insert_above(struct geo_node **link, struct arena *a,
                                     const struct net_prefix *p, unsigned bits)
{
    struct geo_node *below = *link, *n = new_node(a, p, bits);

    if (n == NULL)
        return NULL;
    n->child[bit_of(below->key, bits)] = below;
    *link = n;
    return n;
}

static struct geo_node *get_node(struct geo_node **root, struct arena *a,
                                 const struct net_prefix *p)
{
    unsigned common;
    struct geo_node **link = walk(root, p, &common), *n = *link;

    if (n != NULL && n->bits == p->bits && common == p->bits)
        return n;
    if (n != NULL) {
        n = insert_above(link, a, p, common);
        if (n == NULL || common == p->bits)
            return n;
        link = &n->child[bit_of(p->bytes, common)];
    }
    *link = new_node(a, p, p->bits);
    return *link;
}

static struct geo_node **root_of(struct geo_networks *t, int family)
{
    return family == AF_INET ? &t->four : &t->six;
}

int geo_networks_put(struct geo_networks *t, struct arena *a, const struct net_prefix *p,
                     const struct sv *value, const struct sv **old)
{
    struct geo_node *n = get_node(root_of(t, p->family), a, p);

    if (n == NULL)
        return -ENOMEM;
    *old = n->value;
    n->value = value;
    return 0;
}

bool geo_networks_delete(struct geo_networks *t, const struct net_prefix *p)
{
    unsigned common;
    struct geo_node *n = *walk(root_of(t, p->family), p, &common);

    if (n == NULL || n->bits != p->bits || common != p->bits || n->value == NULL)
        return false;
    n->value = NULL;
    return true;
}

const struct sv *geo_networks_find(const struct geo_networks *t, int family,
                                   const unsigned char *address)
{
    const struct geo_node *n = family == AF_INET ? t->four : t->six;
    unsigned width = family == AF_INET ? 32 : BITS_MAX;
    const struct sv *best = NULL;

    while (n != NULL && common_bits(n->key, address, n->bits) == n->bits) {
        if (n->value != NULL)
            best = n->value;
        n = n->bits < width ? n->child[bit_of(address, n->bits)] : NULL;
    }
    return best;
}

// The ranges of a /16 network, sorted.
struct block {
    struct geo_range *at; // heap
    uint32_t count, capacity;
};

struct geo_pieces {
    struct block blocks[BLOCKS];
};

struct geo_pieces *geo_pieces_new(void)
{
    return calloc(1, sizeof(struct geo_pieces));
}

void geo_pieces_free(struct geo_pieces *b)
{
    for (uint32_t i = 0; b != NULL && i < BLOCKS; i++)
        free(b->blocks[i].at);
    free(b);
}

static struct geo_range piece_of(uint32_t block, const struct geo_range *range)
{
    uint32_t first = block << 16, last = first | 0xffff;

    return (struct geo_range){max_of(first, range->first), min_of(last, range->last), range->value};
}

// How many ranges of a sorted array begin at the address or before it.
static uint32_t begun_by(const struct geo_range *at, uint32_t count, uint32_t address)
{
    uint32_t low = 0, high = count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (at[middle].first <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Makes room for `n` more before the range with index `i`.
static int make_room(struct block *b, uint32_t i, uint32_t n)
{
    if (b->count + n > b->capacity) {
        uint32_t wanted = max_of(2 * b->capacity, PIECES_AT_FIRST);
        struct geo_range *at = realloc(b->at, wanted * sizeof(*at));

        if (at == NULL)
            return -ENOMEM;
        b->at = at;
        b->capacity = wanted;
    }
    if (i < b->count)
        memmove(&b->at[i + n], &b->at[i], (b->count - i) * sizeof(*b->at));
    b->count += n;
    return 0;
}

// The piece takes its place in the middle, at the begin or at the end of range `i`.
static int split(struct block *b, uint32_t i, const struct geo_range *piece)
{
    struct geo_range outer = b->at[i];
    uint32_t before = outer.first < piece->first, after = piece->last < outer.last;

    if (make_room(b, i + 1, before + after) != 0)
        return -ENOMEM;
    if (before)
        b->at[i] = (struct geo_range){outer.first, piece->first - 1, outer.value};
    b->at[i + before] = *piece;
    if (after)
        b->at[i + before + 1] = (struct geo_range){piece->last + 1, outer.last, outer.value};
    return 0;
}

static int put_piece(struct block *b, const struct geo_range *piece, struct geo_range *clash)
{
    uint32_t i = begun_by(b->at, b->count, piece->last);

    if (i == 0 || b->at[i - 1].last < piece->first) {
        if (make_room(b, i, 1) != 0)
            return -ENOMEM;
        b->at[i] = *piece;
        return 0;
    }
    struct geo_range *outer = &b->at[i - 1];
    if (outer->first == piece->first && outer->last == piece->last) {
        *clash = *outer;
        *outer = *piece;
        return -EEXIST;
    }
    if (outer->first <= piece->first && piece->last <= outer->last)
        return split(b, i - 1, piece);
    *clash = *outer;
    return -EINVAL;
}

int geo_pieces_put(struct geo_pieces *b, const struct geo_range *range, struct geo_range *clash)
{
    int result = 0;

    for (uint32_t i = range->first >> 16; i <= range->last >> 16; i++) {
        struct geo_range piece = piece_of(i, range);
        int rc = put_piece(&b->blocks[i], &piece, clash);

        if (rc != 0)
            result = rc;
        if (rc != 0 && rc != -EEXIST)
            break;
    }
    return result;
}

static bool delete_piece(struct block *b, const struct geo_range *piece)
{
    uint32_t i = begun_by(b->at, b->count, piece->first);

    if (i == 0 || b->at[i - 1].first != piece->first || b->at[i - 1].last != piece->last)
        return false;
    memmove(&b->at[i - 1], &b->at[i], (b->count - i) * sizeof(*b->at));
    b->count--;
    return true;
}

bool geo_pieces_delete(struct geo_pieces *b, uint32_t first, uint32_t last)
{
    const struct geo_range range = {first, last, NULL};
    bool all = true;

    for (uint32_t i = first >> 16; i <= last >> 16; i++) {
        struct geo_range piece = piece_of(i, &range);

        if (!delete_piece(&b->blocks[i], &piece))
            all = false;
    }
    return all;
}

static bool continues(const struct geo_range *before, const struct geo_range *r)
{
    return before->value != NULL && before->last + 1 == r->first &&
           sv_eq(*before->value, *r->value);
}

// The joined ranges go to `out`, or nowhere when it is NULL; gives their number.
static uint32_t join(const struct geo_pieces *b, struct geo_range *out)
{
    struct geo_range now = {0, 0, NULL};
    uint32_t n = 0;

    for (uint32_t i = 0; i < BLOCKS; i++) {
        for (uint32_t k = 0; k < b->blocks[i].count; k++) {
            const struct geo_range *r = &b->blocks[i].at[k];

            if (continues(&now, r)) {
                now.last = r->last;
            } else {
                now = *r;
                n++;
            }
            if (out != NULL)
                out[n - 1] = now;
        }
    }
    return n;
}

int geo_pieces_join(const struct geo_pieces *b, struct arena *a, struct geo_ranges *out)
{
    out->count = join(b, NULL);
    if (out->count == 0)
        return 0;
    out->at = arena_array(a, struct geo_range, out->count);
    if (out->at == NULL)
        return -ENOMEM;
    join(b, out->at);
    return 0;
}

const struct sv *geo_ranges_find(const struct geo_ranges *t, uint32_t address)
{
    uint32_t i = begun_by(t->at, t->count, address);

    return i != 0 && address <= t->at[i - 1].last ? t->at[i - 1].value : NULL;
}
