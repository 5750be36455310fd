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

bool sampler_order(struct sampler *s, const struct placement_key *key, int fd)
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
                (struct sampler_order){.key = *key, .fd = copy};
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

static struct placed place(const struct page_nodes *n, int own)
{
    unsigned known = page_nodes_known(n), far = 0;
    // A part that is only coming in says nothing yet, unless some of it lies elsewhere already.
    bool whole = n->absent + n->unknown == 0;
    struct placed p = {.known = false};
    unsigned here = own >= 0 && own < PAGE_NODES_MAX ? n->on[own] : 0;

    for (int i = 0; i < PAGE_NODES_MAX; i++) {
        if (i != own && n->on[i] > far) {
            far = n->on[i];
            p.far = (uint8_t)i;
        }
    }
    p.known = known != 0 && (whole || here != known);
    if (known != 0)
        p.near = (uint8_t)(here * PLACEMENT_WHOLE / known);
    return p;
}

bool sampler_turn(struct sampler *s, struct placement *placement, int own, uint64_t now_s)
{
    struct sampler_order order;
    struct page_nodes found;
    unsigned n = 0;

    for (; n < SAMPLER_TURN && take(s, &order); n++) {
        struct placed placed = {.known = false};

        if (page_node_sample_sent(order.fd, order.key.part * PLACEMENT_PART, PLACEMENT_PART,
                                  SAMPLER_PAGES, &found) == 0)
            placed = place(&found, own);
        placement_set(placement, &order.key, &placed, now_s);
        close(order.fd);
    }
    return n == SAMPLER_TURN;
}
