// SPDX-License-Identifier: Apache-2.0
//
// Dropping behind: what was read from the disk for one response leaves the page cache again when it
// has been sent (`page_cache drop;`), so that what is read once does not push out what is read
// often. What was resident before is left alone.
//
// POSIX_FADV_DONTNEED skips what is in use: pages that are in a socket's queue, pages so young that
// they wait in a processor's list for their place among the cache's, folios (pages that the cache
// keeps as one) which are not wholly within the range. Where it had to skip one, it makes all
// processors empty their lists, waits for them, and tries again, which costs more than all the
// rest. Hence the lag behind what has been sent, and steps that end where folios do.
//
// The kernel reads on beyond what it was asked for, up to twice the device's read_ahead_kb. Of a
// response that ends before the file does, that part stays, and seems to have been resident to the
// next one. Where such responses are many, set POSIX_FADV_RANDOM on the descriptor.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DROP_LAG (4ull << 20)  // the most that TCP queues by default (net.ipv4.tcp_wmem)
#define DROP_STEP (2ull << 20) // the largest folio on most machines; each lies at a multiple of
                               // its size
#define DROP_AGAIN (8ull << 20)
#define DROP_RANGES 4

struct drop_range {
    uint64_t from, to; // of the file; empty when they are equal
};

// Lives in the response, zeroed at first.
struct drop_behind {
    struct {
        uint64_t from, to;
        uint64_t at; // what lies before has been dropped
    } fetched[DROP_RANGES]; // in order, the first `count` of them
    uint32_t count;
};

// [off, off+len) was not resident and was read from the disk for this response. In the order of
// sending. When there are more gaps than ranges, the oldest range is forgotten and stays cached.
void drop_fetched(struct drop_behind *d, uint64_t off, uint64_t len);

// What can go now that all before `sent` has been given to the socket: true, and the range, which
// is taken off; ask again until false.
bool drop_due(struct drop_behind *d, uint64_t sent, struct drop_range *out);
// The same for all that is left, at the end of a response, and again for DROP_AGAIN before it, of
// which the socket may have held something when its turn came. `size`: of the file.
bool drop_rest(struct drop_behind *d, uint64_t size, struct drop_range *out);

// To be done to a range: posix_fadvise(2), POSIX_FADV_DONTNEED. That takes 12 us for each MiB in
// large folios and ten times as much in single pages; and where something had to be skipped, as at
// the end of a response whose last bytes are in the socket's queue still, it waits for all
// processors: 0.4 ms on average and 14 ms at worst on two busy ones. So a worker asks what is due,
// and lets the ring do it (IORING_OP_FADVISE, which the kernel gives to io-wq).
