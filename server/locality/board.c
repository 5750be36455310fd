// SPDX-License-Identifier: Apache-2.0
//
// Sequentially consistent where two sides look at each other's word: of a sender that counts itself
// in and then reads `open`, and a leaver that clears `open` and then reads the count, one sees the
// other.
#include "server/locality/board.h"

#include <sys/mman.h>

static size_t board_size(unsigned workers)
{
    return sizeof(struct board) + workers * sizeof(struct board_row);
}

struct board *board_make(unsigned workers)
{
    struct board *b = mmap(NULL, board_size(workers), PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (b == MAP_FAILED)
        return NULL;
    b->count = workers;
    return b;
}

void board_free(struct board *b)
{
    if (b != NULL)
        munmap(b, board_size(b->count));
}

void board_open(struct board_row *row)
{
    atomic_store(&row->load, 0);
    atomic_store(&row->open, 1);
}

void board_close(struct board_row *row)
{
    atomic_store(&row->open, 0);
}

bool board_quiet(const struct board_row *row)
{
    return atomic_load(&row->sending) == 0;
}

bool board_begin(struct board_row *row)
{
    atomic_fetch_add(&row->sending, 1);
    if (atomic_load(&row->open) != 0)
        return true;
    atomic_fetch_sub(&row->sending, 1);
    return false;
}

void board_done(struct board_row *row)
{
    atomic_fetch_sub(&row->sending, 1);
}

int board_least(const struct board *b, unsigned first, unsigned count, int self)
{
    uint32_t fewest = UINT32_MAX, own = UINT32_MAX;
    int best = -1;

    for (unsigned i = first; i < first + count && i < b->count; i++) {
        uint32_t load = atomic_load_explicit(&b->rows[i].load, memory_order_relaxed);

        if (atomic_load_explicit(&b->rows[i].open, memory_order_relaxed) == 0)
            continue;
        if ((int)i == self)
            own = load;
        if (best < 0 || load < fewest) {
            fewest = load;
            best = (int)i;
        }
    }
    if (own != UINT32_MAX && own <= (uint64_t)fewest + fewest / 4 + BOARD_SLACK)
        return self;
    return best;
}
