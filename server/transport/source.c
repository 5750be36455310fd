// SPDX-License-Identifier: Apache-2.0
#include "server/transport/source.h"

#include <sys/stat.h>

#include "lib/base/clock.h"
#include "server/conn/conn.h"
#include "server/locality/locality.h"
#include "server/locality/meter.h"
#include "server/request/request.h"
#include "server/transport/body.h"
#include "server/transport/dropping.h"
#include "server/worker.h"

// NULL where there is nothing to tell apart.
static struct locality *places_of(const struct request *r)
{
    struct locality *l = r->worker->handoff.setup.locality;

    return l != NULL && l->placement != NULL ? l : NULL;
}

static struct placement_key key_of(const struct slice *s)
{
    return (struct placement_key){.dev = s->file->dev, .ino = s->file->ino,
                                  .part = s->off / PLACEMENT_PART};
}

// A replica is used only for the file as it is at this moment; a copy of a descriptor's attributes
// that open_file_cache keeps may be old.
static void find_replica(struct locality *l, const struct slice *s, struct body_source *src)
{
    struct stat st;

    if (placed_near(&src->placed) && !l->replicas_anywhere)
        return;
    if (fstat(s->file->fd, &st) != 0)
        return;
    src->id = replica_file_of(&st);
    src->identified = true;
    if (!replica_get(l->replicas, &src->id, s->off, src->len, &src->hit))
        return;
    src->replica = true;
    src->fd = src->hit.fd;
    src->off = src->hit.off;
    src->len = src->hit.len;
}

void body_source_open(struct request *r, const struct slice *s, uint64_t most,
                      struct body_source *src)
{
    struct locality *l = places_of(r);

    *src = (struct body_source){.fd = s->file->fd, .off = s->off};
    src->len = most < s->len ? most : s->len;
    if (l == NULL)
        return;
    // One answer is for one part.
    uint64_t left = PLACEMENT_PART - s->off % PLACEMENT_PART;
    if (src->len > left)
        src->len = left;
    struct placement_key key = key_of(s);
    src->placed = placement_of(l->placement, &key, clock_mono_ms() / 1000, &src->ask);
    if (l->replicas != NULL)
        find_replica(l, s, src);
}

static const struct placed whole = {.known = true, .near = PLACEMENT_WHOLE};

// Pages on two nodes are taken to be sent in the shares that they have.
static void count(struct stats *stats, struct meter_path *path, const struct placed *placed,
                  uint64_t sent)
{
    uint64_t near = placed->known ? sent * placed->near / PLACEMENT_WHOLE : 0;

    path->page_node = path->worker_node;
    if (near != 0)
        meter_bytes(stats, path, near);
    path->page_node = placed->known ? placed->far : -1;
    if (near != sent)
        meter_bytes(stats, path, sent - near);
}

static void account(struct request *r, struct locality *l, const struct slice *s,
                    const struct body_source *src, uint64_t sent, bool cpu_reads)
{
    struct meter_path path = METER_PATH_UNKNOWN;
    struct placement_key key = key_of(s);

    path.fetched = !src->replica && body_fetched(&r->response, s->off) != 0;
    path.worker_node = l->node;
    // What a fetch brought in lies where this worker's memory is; but only a sample tells whether
    // another silo was not fetching it too.
    if (path.fetched)
        path.disk_node = locality_disk_node(l, s->file->dev, s->file->fd);
    else if (src->ask && !src->replica)
        locality_sample(l, &key, src->fd);
    path.egress_node = r->conn->way.node;
    path.cpu_reads = cpu_reads;
    path.replica = src->replica;
    if (r->conn->way.member >= 0)
        path.member = (unsigned)r->conn->way.member;
    count(r->worker->stats, &path, path.fetched || src->replica ? &whole : &src->placed, sent);
}

void body_source_account(struct request *r, const struct slice *s, const struct body_source *src,
                         uint64_t sent, bool cpu_reads)
{
    struct locality *l = places_of(r);

    if (sent == 0)
        return;
    if (l != NULL)
        account(r, l, s, src, sent, cpu_reads);
    dropping_sent(r, s->off + sent);
}

void body_source_close(struct request *r, const struct slice *s, struct body_source *src,
                       uint64_t sent, bool cpu_reads)
{
    struct locality *l = places_of(r);

    if (src->replica)
        replica_put(l->replicas, &src->hit, sent);
    else if (src->identified && sent != 0)
        replica_want(l->replicas, &src->id, src->fd, src->off, sent);
    body_source_account(r, s, src, sent, cpu_reads);
}
