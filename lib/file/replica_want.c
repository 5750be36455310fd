// SPDX-License-Identifier: Apache-2.0
//
// Workers say what they had to send from the page cache: counting, and ordering copies of what has
// become frequent.
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/sys.h"
#include "lib/file/frequency.h"
#include "lib/file/replica_priv.h"

#define ORDERED_S 1      // an order is answered by then, or lost
#define BAR_MS 100
#define BAR_BITS 8       // of the frequency in store->bar
#define SECOND_NS 1000000000u

// xorshift64; each thread starts where its own copy happens to lie.
static uint64_t random_bits(void)
{
    static _Thread_local uint64_t state;

    if (state == 0)
        state = (uint64_t)(uintptr_t)&state * 0x9e3779b97f4a7c15u | 1;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static bool draw(uint64_t sent, uint64_t chunk_len)
{
    return sent != 0 && (sent >= chunk_len || random_bits() % chunk_len < sent);
}

void replica_tally(struct replica_store *s, uint64_t hash, uint64_t sent, uint64_t chunk_len)
{
    if (draw(sent, chunk_len))
        frequency_add(s->frequency, hash);
}

static _Atomic uint64_t *quiet_cell(struct replica_store *s, uint64_t hash)
{
    return &s->quiet[hash % REPLICA_QUIET];
}

static uint32_t now_s(void)
{
    return (uint32_t)(clock_read_ns() / SECOND_NS);
}

void replica_be_quiet(struct replica_store *s, uint64_t hash, unsigned seconds)
{
    uint64_t until = seconds != 0 ? now_s() + seconds : 0;

    atomic_store_explicit(quiet_cell(s, hash), (hash & ~(uint64_t)UINT32_MAX) | until,
                          memory_order_relaxed);
}

static bool is_quiet(struct replica_store *s, uint64_t hash)
{
    uint64_t cell = atomic_load_explicit(quiet_cell(s, hash), memory_order_relaxed);

    return cell >> 32 == hash >> 32 && now_s() <= (uint32_t)cell;
}

void replica_raise_bar(struct replica_store *s, unsigned frequency)
{
    uint64_t until = clock_read_ns() / 1000000 + BAR_MS;

    atomic_store_explicit(&s->bar, until << BAR_BITS | frequency, memory_order_relaxed);
}

static bool is_below_bar(struct replica_store *s, unsigned frequency)
{
    uint64_t bar = atomic_load_explicit(&s->bar, memory_order_relaxed);

    return frequency <= (bar & ((1u << BAR_BITS) - 1)) &&
           clock_read_ns() / 1000000 < bar >> BAR_BITS;
}

static void order(struct replica_store *s, const struct replica_file *id, uint64_t hash,
                  uint64_t chunk, int fd)
{
    struct replica_order o = {.file = *id, .hash = hash, .chunk = chunk};

    replica_be_quiet(s, hash, ORDERED_S);
    o.fd = replica_queue_has_room(&s->queue) ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (o.fd >= 0 && replica_queue_push(&s->queue, &o))
        return;
    if (o.fd >= 0)
        sys->close(o.fd);
    replica_count(s, COUNT_LOST, 1);
}

static void want_part(struct replica_store *s, const struct replica_file *id, int fd,
                      uint64_t chunk, uint64_t len)
{
    uint64_t chunk_len = min_of(id->size - chunk * REPLICA_CHUNK, (uint64_t)REPLICA_CHUNK);
    uint64_t hash = replica_hash(id, chunk);

    if (!draw(len, chunk_len))
        return;
    frequency_add(s->frequency, hash);
    unsigned frequency = frequency_estimate(s->frequency, hash);
    if (frequency < REPLICA_FREQUENT || is_below_bar(s, frequency) || is_quiet(s, hash))
        return;
    order(s, id, hash, chunk, fd);
}

void replica_want(struct replica_store *s, const struct replica_file *id, int fd, uint64_t off,
                  uint64_t len)
{
    while (len != 0 && off < id->size) {
        uint64_t part = min_of(len, REPLICA_CHUNK - off % REPLICA_CHUNK);

        want_part(s, id, fd, off / REPLICA_CHUNK, part);
        off += part;
        len -= part;
    }
}
