// SPDX-License-Identifier: Apache-2.0
//
// The slots are one shared mapping that every silo inherits. It is a memfd, so that another program
// can find it among the master's descriptors and look (stats_attach.c). Sealed, since a mapping of
// a file that shrinks is a SIGBUS.
#include "server/process/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "server/process/stats_priv.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U // Linux 6.3
#endif

enum { READ_TRIES = 10000 };

static struct stats_area *area;
static int area_fd = -1;
static bool claimed[STATS_WORKERS]; // the master's alone

static int make_descriptor(void)
{
    int fd = memfd_create(STATS_MAGIC, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    int rc = 0;

    if (fd < 0 && errno == EINVAL)
        fd = memfd_create(STATS_MAGIC, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    // Its owner and group may look; only who inherited it writes.
    if (fchmod(fd, 0440) != 0 || ftruncate(fd, sizeof(*area)) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        rc = -errno;
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

static void begin_area(struct stats_area *a)
{
    for (unsigned i = 0; i < STATS_SILOS; i++)
        a->silo[i].node = -1;
    for (unsigned i = 0; i < STATS_MEMBERS; i++)
        a->member[i].node = -1;
    memcpy(a->magic, STATS_MAGIC, sizeof(STATS_MAGIC));
    a->version = STATS_VERSION;
    a->rows = stats_rows_hash();
    a->size = sizeof(*a);
    a->started = time(NULL);
}

int stats_init(void)
{
    void *p;
    int fd;

    if (area != NULL)
        return 0;
    fd = make_descriptor();
    if (fd < 0)
        return fd;
    p = mmap(NULL, sizeof(*area), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    area = p;
    area_fd = fd;
    begin_area(area);
    memset(claimed, 0, sizeof(claimed));
    return 0;
}

void stats_leave(void)
{
    if (area_fd >= 0)
        close(area_fd);
    area_fd = -1;
}

struct stats_area *stats_area(void)
{
    return area;
}

// Everything here is sequentially consistent: it is rare, and nothing of it may be seen before the
// odd number or after the even one.
void stats_change_begin(struct stats_area *a)
{
    a->sequence++;
}

void stats_change_end(struct stats_area *a)
{
    a->sequence++;
}

void stats_read_begin(const struct stats_area *a, struct stats_reading *r)
{
    r->tries = 0;
    r->before = a->sequence;
}

bool stats_read_again(const struct stats_area *a, struct stats_reading *r)
{
    unsigned now = a->sequence;

    if (((r->before & 1) == 0 && now == r->before) || ++r->tries >= READ_TRIES)
        return false;
    sched_yield();
    r->before = a->sequence;
    return true;
}

struct stats *stats_claim(void)
{
    for (unsigned i = 0; i < STATS_WORKERS; i++) {
        if (claimed[i])
            continue;
        claimed[i] = true;
        if (i >= area->high)
            area->high = i + 1;
        return &area->slot[i].stats;
    }
    return NULL;
}

struct stats *stats_shared(void)
{
    return &area->shared.stats;
}

static unsigned slot_of(const struct stats *s)
{
    ptrdiff_t i = container_of(s, struct stats_slot, stats) - area->slot;

    check(i >= 0 && i < STATS_WORKERS && claimed[i]);
    return (unsigned)i;
}

void stats_place(struct stats *s, unsigned silo)
{
    if (s == &area->shared.stats)
        return;
    stats_change_begin(area);
    area->place[slot_of(s)] = silo < STATS_SILOS ? silo + 1 : 0;
    if (silo < STATS_SILOS && silo >= area->nsilos)
        area->nsilos = silo + 1;
    stats_change_end(area);
}

static void fold_array(_Atomic int64_t *to, const _Atomic int64_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] += from[i];
}

static void fold(struct stats *to, const struct stats *from)
{
#define COUNTER(name, help) to->name += from->name;
#define GAUGE(name, help)
    STATS(COUNTER, GAUGE)
#undef COUNTER
#undef GAUGE
#define ARRAY(name, count, help) fold_array(to->name, from->name, count);
    STATS_BY(ARRAY)
#undef ARRAY
}

static void clear_array(_Atomic int64_t *to, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = 0;
}

void stats_clear(struct stats *s)
{
#define FIELD(name, help) s->name = 0;
    STATS(FIELD, FIELD)
#undef FIELD
#define ARRAY(name, count, help) clear_array(s->name, count);
    STATS_BY(ARRAY)
#undef ARRAY
}

void stats_release(struct stats *s)
{
    unsigned i, place;

    if (s == &area->shared.stats)
        return;
    i = slot_of(s);
    place = area->place[i];
    stats_change_begin(area);
    fold(&area->ended[place != 0 ? place - 1 : STATS_SILOS].stats, s);
    stats_clear(s);
    area->place[i] = 0;
    stats_change_end(area);
    claimed[i] = false;
}

// The loads may not sink below the look at the sequence number that follows.
static void add_value(_Atomic int64_t *to, const _Atomic int64_t *from)
{
    stats_add(to, atomic_load_explicit(from, memory_order_acquire));
}

static void add_array(_Atomic int64_t *to, const _Atomic int64_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_value(&to[i], &from[i]);
}

void stats_add_all(struct stats *to, const struct stats *from)
{
#define FIELD(name, help) add_value(&to->name, &from->name);
    STATS(FIELD, FIELD)
#undef FIELD
#define ARRAY(name, count, help) add_array(to->name, from->name, count);
    STATS_BY(ARRAY)
#undef ARRAY
}

static void zero(struct stats *s)
{
    memset((void *)s, 0, sizeof(*s));
}

void stats_sum(struct stats *out)
{
    struct stats_reading r;

    check(area != NULL);
    stats_read_begin(area, &r);
    do {
        zero(out);
        for (unsigned i = 0; i < area->nsilos; i++)
            stats_add_all(out, &area->ended[i].stats);
        stats_add_all(out, &area->ended[STATS_SILOS].stats);
        stats_add_all(out, &area->shared.stats);
        for (unsigned i = 0; i < area->high; i++)
            stats_add_all(out, &area->slot[i].stats);
    } while (stats_read_again(area, &r));
}

void stats_silo(unsigned silo, struct stats *out)
{
    struct stats_reading r;

    check(area != NULL);
    stats_read_begin(area, &r);
    do {
        zero(out);
        if (silo >= STATS_SILOS)
            continue;
        stats_add_all(out, &area->ended[silo].stats);
        for (unsigned i = 0; i < area->high; i++) {
            if (area->place[i] == silo + 1)
                stats_add_all(out, &area->slot[i].stats);
        }
    } while (stats_read_again(area, &r));
}

unsigned stats_silos(void)
{
    return area->nsilos;
}
