// SPDX-License-Identifier: Apache-2.0
#include "server/locality/sampler.h"

#include <fcntl.h>
#include <unistd.h>

#include "lib/file/page_node.h"

void sampler_init(struct sampler *s)
{
    *s = (struct sampler){.count = 0};
    pthread_mutex_init(&s->lock, NULL);
}

void sampler_destroy(struct sampler *s)
{
    for (unsigned i = 0; i < s->count; i++)
        close(s->queue[(s->first + i) % SAMPLER_QUEUE].fd);
    pthread_mutex_destroy(&s->lock);
}

bool sampler_order(struct sampler *s, const struct placement_key *key, int fd, uint64_t off,
                   uint64_t len)
{
    bool was_empty = false;

    // A worker does not wait for another: that one's order is as good.
    if (pthread_mutex_trylock(&s->lock) != 0)
        return false;
    if (s->count < SAMPLER_QUEUE) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

        if (copy >= 0) {
            was_empty = s->count == 0;
            s->queue[(s->first + s->count++) % SAMPLER_QUEUE] =
                (struct sampler_order){.key = *key, .fd = copy, .off = off, .len = len};
        }
    }
    pthread_mutex_unlock(&s->lock);
    return was_empty;
}

static bool take(struct sampler *s, struct sampler_order *order)
{
    bool some;

    pthread_mutex_lock(&s->lock);
    some = s->count > 0;
    if (some) {
        *order = s->queue[s->first];
        s->first = (s->first + 1) % SAMPLER_QUEUE;
        s->count--;
    }
    pthread_mutex_unlock(&s->lock);
    return some;
}

// The node of most pages. Parts with pages on several nodes are counted as if all were there.
static int most(const struct page_nodes *n)
{
    int node = PLACEMENT_UNKNOWN;
    unsigned pages = 0;

    for (int i = 0; i < PAGE_NODES_MAX; i++) {
        if (n->on[i] > pages) {
            pages = n->on[i];
            node = i;
        }
    }
    return node;
}

bool sampler_turn(struct sampler *s, struct placement *placement, uint64_t now_s)
{
    struct sampler_order order;
    struct page_nodes found;
    unsigned n = 0;

    for (; n < SAMPLER_TURN && take(s, &order); n++) {
        int node = PLACEMENT_UNKNOWN;

        if (page_node_sample_sent(order.fd, order.off, order.len, SAMPLER_PAGES, &found) == 0)
            node = most(&found);
        placement_set(placement, &order.key, node, now_s);
        close(order.fd);
    }
    return n == SAMPLER_TURN;
}
