// SPDX-License-Identifier: Apache-2.0
//
// The queue from workers to the background thread. Orders are few (one for each chunk that becomes
// hot), so a lock that workers only try is enough.
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/file/replica_priv.h"

int replica_queue_open(struct replica_queue *q)
{
    q->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (q->event < 0)
        return -errno;
    int rc = pthread_mutex_init(&q->lock, NULL);
    if (rc != 0) {
        close(q->event);
        q->event = -1;
    }
    return -rc;
}

void replica_queue_close(struct replica_queue *q)
{
    struct replica_order o;

    if (q->event < 0)
        return;
    while (replica_queue_pop(q, &o)) {
        if (o.fd >= 0)
            close(o.fd);
    }
    pthread_mutex_destroy(&q->lock);
    close(q->event);
}

bool replica_queue_has_room(const struct replica_queue *q)
{
    return atomic_load_explicit(&q->count, memory_order_relaxed) < REPLICA_QUEUE;
}

bool replica_queue_push(struct replica_queue *q, const struct replica_order *o)
{
    uint64_t one = 1;
    ssize_t n;

    if (pthread_mutex_trylock(&q->lock) != 0)
        return false;
    bool room = replica_queue_has_room(q);
    if (room)
        q->orders[(q->first + q->count++) % REPLICA_QUEUE] = *o;
    check(pthread_mutex_unlock(&q->lock) == 0);
    if (!room)
        return false;
    n = write(q->event, &one, sizeof(one));
    (void)n; // fails only when it counts 2^64 already, and then it is readable
    return true;
}

// The event is taken before the look: one that comes after it stays.
bool replica_queue_pop(struct replica_queue *q, struct replica_order *o)
{
    uint64_t events;
    ssize_t n = read(q->event, &events, sizeof(events));

    (void)n;
    check(pthread_mutex_lock(&q->lock) == 0);
    bool any = q->count != 0;
    if (any) {
        *o = q->orders[q->first];
        q->first = (q->first + 1) % REPLICA_QUEUE;
        q->count--;
    }
    check(pthread_mutex_unlock(&q->lock) == 0);
    return any;
}
