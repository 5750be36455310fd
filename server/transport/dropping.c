// SPDX-License-Identifier: Apache-2.0
#include "server/transport/dropping.h"

#include <fcntl.h>
#include <stdlib.h>

#include "lib/file/drop.h"
#include "server/request/request.h"
#include "server/worker.h"

// One range on its way out. It holds the file, whose descriptor must keep its meaning until then.
struct dropping {
    struct op op;
    struct worker *worker;
    struct open_file *file;
};

static void dropped(struct op *op, int32_t res, uint32_t flags)
{
    struct dropping *d = container_of(op, struct dropping, op);

    // What could not be dropped stays: nobody's concern.
    (void)res;
    (void)flags;
    file_put(&d->worker->files, d->file);
    d->worker->dropping--;
    free(d);
}

static void drop(struct worker *w, struct open_file *file, const struct drop_range *range)
{
    struct dropping *d = malloc(sizeof(*d));

    if (d == NULL)
        return;
    *d = (struct dropping){.worker = w, .file = file};
    op_init(&d->op, dropped);
    if (ring_fadvise(&w->ring, &d->op, file->fd, range->from, range->to - range->from,
                     POSIX_FADV_DONTNEED) != 0) {
        free(d);
        return;
    }
    file_hold(file);
    w->dropping++;
}

void dropping_sent(struct request *r, uint64_t off)
{
    struct response *s = &r->response;
    struct drop_range range;

    while (s->drop.count != 0 && drop_due(&s->drop, off, &range))
        drop(r->worker, s->file, &range);
}

void dropping_end(struct request *r)
{
    struct response *s = &r->response;
    struct drop_range range;

    while (s->drop.count != 0 && s->file != NULL && drop_rest(&s->drop, s->file->size, &range))
        drop(r->worker, s->file, &range);
}
