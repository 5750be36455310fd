// SPDX-License-Identifier: Apache-2.0
#include "server/locality/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/net/handoff.h"

static int open_inboxes(struct exchange *x)
{
    x->inboxes = calloc(x->workers, sizeof(*x->inboxes));
    if (x->inboxes == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < x->workers; i++)
        x->inboxes[i] = (struct inbox){-1, -1};
    for (unsigned i = 0; i < x->workers; i++) {
        int rc = handoff_open(&x->inboxes[i].receive, &x->inboxes[i].send);

        if (rc != 0)
            return rc;
    }
    return 0;
}

int exchange_open(struct exchange *x, unsigned workers, unsigned silos)
{
    *x = (struct exchange){.workers = workers};
    x->board = board_make(workers);
    int rc = x->board == NULL ? -ENOMEM : 0;
    if (rc == 0 && silos > 1)
        rc = open_inboxes(x);
    if (rc != 0)
        exchange_close(x);
    return rc;
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void exchange_close(struct exchange *x)
{
    for (unsigned i = 0; x->inboxes != NULL && i < x->workers; i++) {
        close_end(&x->inboxes[i].receive);
        close_end(&x->inboxes[i].send);
    }
    free(x->inboxes);
    board_free(x->board);
    memset(x, 0, sizeof(*x));
}

void exchange_keep(struct exchange *x, unsigned first, unsigned count)
{
    for (unsigned i = 0; x->inboxes != NULL && i < x->workers; i++) {
        if (i < first || i >= first + count)
            close_end(&x->inboxes[i].receive);
    }
}

void exchange_silo_ended(struct exchange *x, unsigned first, unsigned count)
{
    for (unsigned i = first; x->board != NULL && i < first + count; i++)
        board_close(&x->board->rows[i]);
}
