// SPDX-License-Identifier: Apache-2.0
#include "server/locality/handoff.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/net/handoff.h"
#include "server/bounds.h"
#include "server/conn/conn.h"
#include "server/locality/locality.h"
#include "server/process/plan.h"
#include "server/worker.h"

// A connection on its way to a worker of the same silo.
struct handoff_mail {
    struct ring_mail mail;
    struct worker *to;
    const struct listen_conf *listen;
    int fd;
};

static unsigned self_of(const struct worker *w)
{
    return w->handoff.setup.first + w->index;
}

static void take_on(struct worker *w, const struct listen_conf *listen, int fd)
{
    if (w->stopping)
        close(fd);
    else
        conn_open(w, listen, fd);
}

static void mail_came(struct ring_mail *mail)
{
    struct handoff_mail *m = container_of(mail, struct handoff_mail, mail);

    take_on(m->to, m->listen, m->fd);
    free(m);
}

// By eventfd, not by a message between rings: that is sent with the sender's next turn, when the
// receiver may have left.
static int give_near(struct worker *to, const struct listen_conf *listen, int fd)
{
    struct handoff_mail *m = malloc(sizeof(*m));

    if (m == NULL)
        return -ENOMEM;
    *m = (struct handoff_mail){.mail.deliver = mail_came, .to = to, .listen = listen, .fd = fd};
    ring_post(NULL, &to->ring, &m->mail);
    return 0;
}

static int give_far(const struct inbox *inbox, const struct listen_conf *listen, int fd)
{
    struct handoff h = {.listen = listen->index};
    int rc = handoff_send(inbox->send, &h, fd);

    // The receiver has its own.
    if (rc == 0)
        close(fd);
    return rc;
}

static bool hand_over(struct worker *w, const struct listen_conf *listen, unsigned worker, int fd)
{
    struct handoff_port *p = &w->handoff;
    struct locality *l = p->setup.locality;
    struct board_row *row = &l->exchange->board->rows[worker];
    unsigned i = worker - p->setup.first;
    bool near = worker >= p->setup.first && i < l->plan->silos[l->silo].workers;
    int rc;

    if (!board_begin(row))
        return false;
    rc = near ? give_near(p->setup.crew[i], listen, fd)
              : give_far(&l->exchange->inboxes[worker], listen, fd);
    if (rc == 0)
        board_expect(row);
    board_done(row);
    if (rc == 0)
        stats_add(near ? &w->stats->handed_within : &w->stats->handed_over, 1);
    return rc == 0;
}

void handoff_accepted(struct worker *w, const struct listener *from, int fd)
{
    struct locality *l = w->handoff.setup.locality;
    unsigned self = self_of(w), worker;
    struct arrival a;

    stats_add(&w->stats->accepted, 1);
    if (l == NULL || w->draining) {
        conn_open(w, from->conf, fd);
        return;
    }
    locality_arrival(l, fd, &a);
    stats_add(&w->stats->arrived[stats_node(a.node)], 1);
    worker = locality_worker(l, &a, self);
    bool at_home = locality_silo_of(l, worker) == l->silo;
    if (at_home)
        stats_add(&w->stats->steered, 1);
    if (worker != self && hand_over(w, from->conf, worker, fd))
        return;
    if (!at_home)
        stats_add(&w->stats->handoff_refused, 1);
    conn_open(w, from->conf, fd);
}

static const struct listen_conf *listen_at(const struct worker *w, uint32_t index)
{
    const struct listen_conf *l = w->config->http != NULL ? w->config->http->listens : NULL;

    while (l != NULL && l->index != index)
        l = l->next;
    return l;
}

static void empty_inbox(struct worker *w)
{
    const struct listen_conf *listen;
    struct handoff h;
    int fd, rc;

    while ((rc = handoff_receive(w->handoff.inbox, &h, &fd)) == 0 || rc == -EBADMSG) {
        listen = rc == 0 ? listen_at(w, h.listen) : NULL;
        if (listen != NULL) {
            stats_add(&w->stats->taken_over, 1);
            take_on(w, listen, fd);
            continue;
        }
        log_alert(0, "a connection that was handed over was lost");
        if (rc == 0)
            close(fd);
    }
}

static void watch_inbox(struct worker *w)
{
    struct handoff_port *p = &w->handoff;

    if (p->inbox < 0 || p->left || op_in_flight(&p->poll))
        return;
    if (ring_poll(&w->ring, &p->poll, p->inbox, POLLIN) != 0)
        timer_arm(&w->ring.wheel, &p->leave, HANDOFF_RETRY_MS);
}

static void inbox_ready(struct op *op, int32_t res, uint32_t flags)
{
    struct worker *w = container_of(op, struct worker, handoff.poll);

    (void)flags;
    if (res >= 0)
        empty_inbox(w);
    watch_inbox(w);
}

// Leaving takes two looks: mail that was posted before the first is delivered before the second.
static void look(struct timer *t)
{
    struct worker *w = container_of(t, struct worker, handoff.leave);
    struct handoff_port *p = &w->handoff;

    if (!p->leaving) {
        watch_inbox(w);
        return;
    }
    if (!p->quiet) {
        p->quiet = board_quiet(p->row) || clock_mono_ms() >= p->leave_by_ms;
        timer_arm(&w->ring.wheel, t, HANDOFF_RETRY_MS);
        return;
    }
    if (p->inbox >= 0)
        empty_inbox(w);
    p->left = true;
    ring_cancel(&w->ring, &p->poll);
    worker_may_end(w);
}

void handoff_begin(struct worker *w, const struct handoff_setup *setup)
{
    struct handoff_port *p = &w->handoff;

    p->setup = *setup;
    p->inbox = -1;
    op_init(&p->poll, inbox_ready);
    timer_init(&p->leave, look);
    p->left = setup->locality == NULL;
    if (p->left)
        return;
    const struct exchange *x = setup->locality->exchange;
    p->row = &x->board->rows[self_of(w)];
    if (x->inboxes != NULL)
        p->inbox = x->inboxes[self_of(w)].receive;
    board_open(p->row, x->inboxes == NULL);
    watch_inbox(w);
}

void handoff_leave(struct worker *w)
{
    struct handoff_port *p = &w->handoff;

    if (p->left || p->leaving)
        return;
    p->leaving = true;
    p->leave_by_ms = clock_mono_ms() + HANDOFF_LEAVE_MS;
    board_close(p->row);
    timer_arm(&w->ring.wheel, &p->leave, 0);
}

bool handoff_has_left(const struct worker *w)
{
    return w->handoff.left;
}

void handoff_end(struct worker *w)
{
    struct handoff_port *p = &w->handoff;
    if (p->setup.locality == NULL)
        return;
    p->left = true;
    board_close(p->row);
    timer_cancel(&w->ring.wheel, &p->leave);
    ring_cancel(&w->ring, &p->poll);
    // The loop's clock stands still here.
    for (unsigned ms = 0; !board_quiet(p->row) && ms < HANDOFF_LEAVE_MS; ms++)
        poll(NULL, 0, 1);
}

void handoff_count(struct worker *w)
{
    if (w->handoff.row != NULL)
        board_set_load(w->handoff.row, w->nconns);
}
