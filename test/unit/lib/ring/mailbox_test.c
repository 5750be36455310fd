// SPDX-License-Identifier: Apache-2.0
//
// Mail between the rings of several threads, by both ways of waking.
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/ring/ring_priv.h"

#define MESSAGES 10000
#define WINDOW 64 // in flight at once, so that the target falls asleep in between

struct peer;

struct letter {
    struct ring_mail mail;
    struct peer *to;
    unsigned number;
};

struct peer {
    struct ring ring;
    struct peer *other;
    pthread_barrier_t *ready;
    struct letter *letters;
    unsigned posted, received;
    bool use_eventfd;
    struct ring_hook hook;
};

static void delivered(struct ring_mail *mail)
{
    struct letter *l = container_of(mail, struct letter, mail);
    struct peer *p = l->to;

    cr_assert_eq(l->number, p->received, "out of order");
    p->received++;
}

// Keeps at most WINDOW letters ahead of what has come from the other side.
static void post_some(struct ring_hook *hook)
{
    struct peer *p = container_of(hook, struct peer, hook);

    while (p->posted < MESSAGES && p->posted < p->received + WINDOW) {
        struct letter *l = &p->letters[p->posted];

        *l = (struct letter){.mail.deliver = delivered, .to = p->other, .number = p->posted++};
        ring_post(p->use_eventfd ? NULL : &p->ring, &p->other->ring, &l->mail);
    }
    if (p->received == MESSAGES && p->posted == MESSAGES)
        ring_stop(&p->ring);
}

static void *peer_run(void *arg)
{
    struct peer *p = arg;
    char why[RING_WHY_MAX];

    cr_assert_eq(ring_init(&p->ring, why, sizeof(why)), 0, "%s", why);
    p->hook.run = post_some;
    ring_add_hook(&p->ring, &p->hook);
    pthread_barrier_wait(p->ready);
    cr_assert_eq(ring_run(&p->ring), 0);
    // A ring must outlive whoever posts to it.
    pthread_barrier_wait(p->ready);
    ring_destroy(&p->ring);
    return NULL;
}

static void exchange(bool eventfd_a, bool eventfd_b)
{
    static struct peer a, b;
    pthread_barrier_t ready;
    pthread_t ta, tb;

    pthread_barrier_init(&ready, NULL, 2);
    a = (struct peer){.other = &b, .ready = &ready, .use_eventfd = eventfd_a};
    b = (struct peer){.other = &a, .ready = &ready, .use_eventfd = eventfd_b};
    a.letters = calloc(MESSAGES, sizeof(*a.letters));
    b.letters = calloc(MESSAGES, sizeof(*b.letters));
    cr_assert_eq(pthread_create(&ta, NULL, peer_run, &a), 0);
    cr_assert_eq(pthread_create(&tb, NULL, peer_run, &b), 0);
    pthread_join(ta, NULL);
    pthread_join(tb, NULL);
    cr_assert_eq(a.received, MESSAGES);
    cr_assert_eq(b.received, MESSAGES);
    free(a.letters);
    free(b.letters);
    pthread_barrier_destroy(&ready);
}

TestSuite(mailbox, .timeout = 120);

Test(mailbox, ten_thousand_both_ways_in_order_by_msg_ring)
{
    exchange(false, false);
}

Test(mailbox, ten_thousand_both_ways_in_order_by_eventfd)
{
    exchange(true, true);
}

Test(mailbox, the_two_ways_mixed)
{
    exchange(false, true);
}

static unsigned self_calls;

static void self_delivered(struct ring_mail *mail)
{
    struct letter *l = container_of(mail, struct letter, mail);

    if (++self_calls < 100)
        ring_post(&l->to->ring, &l->to->ring, mail);
    else
        ring_stop(&l->to->ring);
}

Test(mailbox, mail_to_the_own_ring_comes_in_the_next_turn_without_sleep)
{
    static struct peer p;
    struct letter l = {.mail.deliver = self_delivered, .to = &p};
    char why[RING_WHY_MAX];

    cr_assert_eq(ring_init(&p.ring, why, sizeof(why)), 0, "%s", why);
    cr_assert_eq(ring_turn(&p.ring, false), 0);
    ring_post(&p.ring, &p.ring, &l.mail);
    cr_assert_eq(io_uring_sq_ready(&p.ring.uring), 0, "woke itself");
    cr_assert_eq(ring_run(&p.ring), 0);
    cr_assert_eq(self_calls, 100);
    ring_destroy(&p.ring);
}

// Two rings on one thread, so that each step is seen.
static struct ring a, b;

static void open_two(void)
{
    char why[RING_WHY_MAX];

    cr_assert_eq(ring_init(&a, why, sizeof(why)), 0, "%s", why);
    cr_assert_eq(ring_init(&b, why, sizeof(why)), 0, "%s", why);
    // The wake reads are armed.
    cr_assert_eq(ring_turn(&a, false), 0);
    cr_assert_eq(ring_turn(&b, false), 0);
}

static void close_two(void)
{
    ring_destroy(&a);
    ring_destroy(&b);
}

static unsigned simple_calls;

static void simple_delivered(struct ring_mail *mail)
{
    (void)mail;
    simple_calls++;
}

Test(mailbox, only_the_first_letter_of_a_batch_wakes, .init = open_two, .fini = close_two)
{
    struct ring_mail m[3] = {{NULL, simple_delivered}, {NULL, simple_delivered},
                             {NULL, simple_delivered}};

    for (size_t i = 0; i < 3; i++)
        ring_post(&a, &b, &m[i]);
    cr_assert_eq(io_uring_sq_ready(&a.uring), 1);
    cr_assert_eq(ring_turn(&a, false), 0);
    cr_assert_eq(ring_turn(&b, true), 0);
    cr_assert_eq(simple_calls, 3);
    cr_assert(ring_mailbox_empty(&b));
}

Test(mailbox, a_failed_msg_ring_falls_back_to_eventfd, .init = open_two, .fini = close_two)
{
    struct ring_mail m = {NULL, simple_delivered};
    int real = b.uring.ring_fd;

    b.uring.ring_fd = b.wake_fd; // no ring: MSG_RING answers EBADFD
    ring_post(&a, &b, &m);
    b.uring.ring_fd = real;
    for (int i = 0; i < 3; i++)
        cr_assert_eq(ring_turn(&a, false), 0);
    cr_assert_eq(ring_turn(&b, true), 0);
    cr_assert_eq(simple_calls, 1);
    // It was the eventfd that woke: its read has completed, and was armed again.
    cr_assert_eq(b.wake_value, 1);
    cr_assert(op_in_flight(&b.wake_op));
}

Test(mailbox, a_stopping_ring_wakes_at_once_because_it_may_not_submit_again,
     .init = open_two, .fini = close_two)
{
    struct ring_mail m = {NULL, simple_delivered};

    ring_stop(&a);
    ring_post(&a, &b, &m);
    cr_assert_eq(io_uring_sq_ready(&a.uring), 0);
    cr_assert_eq(ring_turn(&b, true), 0);
    cr_assert_eq(simple_calls, 1);
}

Test(mailbox, a_wake_prepared_in_the_last_turn_is_sent, .init = open_two, .fini = close_two)
{
    struct ring_mail m = {NULL, simple_delivered};

    ring_post(&a, &b, &m);
    ring_stop(&a);
    cr_assert_eq(ring_run(&a), 0);
    cr_assert_eq(ring_turn(&b, true), 0);
    cr_assert_eq(simple_calls, 1);
}
