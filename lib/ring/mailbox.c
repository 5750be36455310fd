// SPDX-License-Identifier: Apache-2.0
//
// Mail between threads: a stack that many push and its owner empties at once. The owner looks at it
// in every turn, so that a wake is needed only to end its sleep, and only from whoever found the
// stack empty: later senders know that a wake is on its way.
#include <errno.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/ring/ring_priv.h"

// Reading again is ring_turn()'s business.
static void wake_done(struct op *op, int32_t res, uint32_t flags)
{
    (void)op;
    (void)res;
    (void)flags;
}

int ring_mailbox_init(struct ring *r)
{
    atomic_init(&r->inbox, NULL);
    op_init(&r->wake_op, wake_done);
    r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return r->wake_fd < 0 ? -errno : 0;
}

void ring_mailbox_arm(struct ring *r)
{
    if (likely(op_in_flight(&r->wake_op)))
        return;
    if (ring_read(r, &r->wake_op, r->wake_fd, &r->wake_value, sizeof(r->wake_value), 0) < 0)
        ring_stay_awake(r); // deaf until the queue has room again: don't sleep until then
}

bool ring_mailbox_empty(struct ring *r)
{
    return atomic_load_explicit(&r->inbox, memory_order_relaxed) == NULL;
}

static struct ring_mail *reverse(struct ring_mail *newest)
{
    struct ring_mail *oldest = NULL;

    while (newest != NULL) {
        struct ring_mail *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

void ring_mailbox_deliver(struct ring *r)
{
    struct ring_mail *mail;

    if (ring_mailbox_empty(r))
        return;
    mail = reverse(atomic_exchange_explicit(&r->inbox, NULL, memory_order_acquire));
    while (mail != NULL) {
        struct ring_mail *next = mail->next; // the delivery may free or post it

        mail->deliver(mail);
        mail = next;
    }
}

void ring_wake_by_eventfd(struct ring *to)
{
    const uint64_t one = 1;
    ssize_t n;

    do {
        n = write(to->wake_fd, &one, sizeof(one));
    } while (n < 0 && errno == EINTR);
    // EAGAIN means that the counter is full, and so not zero: the target wakes all the same.
    check(n == sizeof(one) || errno == EAGAIN);
}

// Success is silent here and a completion there. A failure (EBADFD, EOVERFLOW, EOWNERDEAD) comes
// back with the target's address, and the eventfd is used then.
static bool wake_by_message(struct ring *from, struct ring *to)
{
    struct io_uring_sqe *sqe;

    // A stopping ring may never submit again.
    if (!from->features.msg_ring || from->stopping)
        return false;
    sqe = ring_sqe(from);
    if (sqe == NULL)
        return false;
    io_uring_prep_msg_ring(sqe, to->uring.ring_fd, 0, RING_WAKE, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = (uintptr_t)to | RING_UNSENT;
    return true;
}

void ring_post(struct ring *from, struct ring *to, struct ring_mail *mail)
{
    struct ring_mail *head = atomic_load_explicit(&to->inbox, memory_order_relaxed);

    do {
        mail->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&to->inbox, &head, mail, memory_order_release,
                                                    memory_order_relaxed));
    if (head != NULL || from == to)
        return;
    if (from == NULL || !wake_by_message(from, to))
        ring_wake_by_eventfd(to);
}
