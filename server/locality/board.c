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

void board_open(struct board_row *row, bool alone)
{
    if (alone)
        atomic_store(&row->sending, 0);
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

static bool is_candidate(const struct board *b, const struct board_choice *among, unsigned i)
{
    if (among->groups != NULL && among->groups[i] != among->group)
        return false;
    return atomic_load_explicit(&b->rows[i].open, memory_order_relaxed) != 0;
}

int board_least(const struct board *b, const struct board_choice *among)
{
    uint32_t fewest = UINT32_MAX, own = UINT32_MAX;
    int best = -1;

    for (unsigned i = among->first; i < among->first + among->count && i < b->count; i++) {
        uint32_t load = atomic_load_explicit(&b->rows[i].load, memory_order_relaxed);

        if (!is_candidate(b, among, i))
            continue;
        if ((int)i == among->self)
            own = load;
        if (best < 0 || load < fewest) {
            fewest = load;
            best = (int)i;
        }
    }
    if (own != UINT32_MAX && own <= (uint64_t)fewest + fewest / 4 + BOARD_SLACK)
        return among->self;
    return best;
}
