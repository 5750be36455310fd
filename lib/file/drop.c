// SPDX-License-Identifier: Apache-2.0
#include "lib/file/drop.h"

#include <stddef.h>
#include <string.h>

#include "lib/base/compiler.h"

#define PAGE 4096u // the smallest: whole pages were read, so whole pages go

static void forget_first(struct drop_behind *d)
{
    d->count--;
    memmove(&d->fetched[0], &d->fetched[1], d->count * sizeof(d->fetched[0]));
}

void drop_fetched(struct drop_behind *d, uint64_t off, uint64_t len)
{
    uint64_t end = off + len;

    if (len == 0 || end < off)
        return;
    off = off / PAGE * PAGE;
    if (d->count != 0 && off <= d->fetched[d->count - 1].to &&
        off >= d->fetched[d->count - 1].from) {
        d->fetched[d->count - 1].to = max_of(d->fetched[d->count - 1].to, end);
        return;
    }
    if (d->count == DROP_RANGES)
        forget_first(d);
    d->fetched[d->count].from = d->fetched[d->count].at = off;
    d->fetched[d->count++].to = end;
}

bool drop_due(struct drop_behind *d, uint64_t sent, struct drop_range *out)
{
    uint64_t limit = sent > DROP_LAG ? (sent - DROP_LAG) / DROP_STEP * DROP_STEP : 0;

    if (d->count == 0 || d->fetched[0].at >= limit)
        return false;
    *out = (struct drop_range){d->fetched[0].at, min_of(limit, d->fetched[0].to)};
    d->fetched[0].at = out->to;
    if (out->to == d->fetched[0].to)
        forget_first(d);
    return true;
}

// The kernel keeps a page that the range ends within, unless the range ends where the file does.
bool drop_rest(struct drop_behind *d, uint64_t size, struct drop_range *out)
{
    if (d->count == 0)
        return false;
    out->from = d->fetched[0].at - min_of(d->fetched[0].at - d->fetched[0].from, DROP_AGAIN);
    out->to = (d->fetched[0].to + PAGE - 1) / PAGE * PAGE;
    out->to = min_of(out->to, max_of(size, out->from));
    forget_first(d);
    return true;
}
