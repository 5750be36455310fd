// SPDX-License-Identifier: Apache-2.0
//
// Sampling. The part is mapped, pages that may be touched are (by madvise(2), which reports a file
// that shrinks meanwhile instead of killing the process with SIGBUS), and one move_pages(2) asks
// about all of them.
#include "lib/file/page_node.h"

#include <errno.h>
#include <linux/mman.h>
#include <numaif.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/base/sys.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

// Beyond the end of any page-cache folio that holds the end of a file.
#define FAR_BEYOND (1ull << 30)

// Whom to ask what is resident.
enum oracle { ORACLE_CACHESTAT, ORACLE_MINCORE, ORACLE_BELIEF, ORACLE_NONE };

struct sampling {
    int fd;
    uint64_t size;  // of the file
    uint64_t first; // page of the file at `base`
    uint64_t pages; // mapped
    size_t page;    // bytes of one
    char *base;
    enum oracle oracle;
    void *touched[PAGE_SAMPLES_MAX];
    unsigned ntouched;
};

static bool cachestat_answers(const struct sampling *s, uint64_t off, bool *resident)
{
    struct cachestat_range range = {.off = off, .len = 1};
    struct cachestat st = {0};

    if (sys->cachestat(s->fd, &range, &st, 0) != 0)
        return false;
    *resident = st.nr_cache != 0;
    return true;
}

// A page that cannot be there is said to be there: mincore says so of every page.
static bool mincore_is_honest(const struct sampling *s)
{
    uint64_t off = (s->size + FAR_BEYOND) / s->page * s->page;
    unsigned char there = 1;
    void *p = mmap(NULL, s->page, PROT_READ, MAP_SHARED, s->fd, (off_t)off);

    if (p == MAP_FAILED)
        return false;
    bool asked = mincore(p, s->page, &there) == 0;
    munmap(p, s->page);
    return asked && (there & 1) == 0;
}

static enum oracle choose_oracle(const struct sampling *s, bool sent)
{
    bool resident;

    if (cachestat_answers(s, s->first * s->page, &resident))
        return ORACLE_CACHESTAT;
    if (mincore_is_honest(s))
        return ORACLE_MINCORE;
    return sent ? ORACLE_BELIEF : ORACLE_NONE;
}

static bool is_resident(const struct sampling *s, uint64_t index)
{
    bool resident = false;
    unsigned char there = 0;

    if (s->oracle == ORACLE_BELIEF)
        return true;
    if (s->oracle == ORACLE_CACHESTAT)
        return cachestat_answers(s, (s->first + index) * s->page, &resident) && resident;
    return mincore(s->base + index * s->page, s->page, &there) == 0 && (there & 1) != 0;
}

// What this thread has read from disks. Linux 6.1 counts no major faults of populating, and no
// kernel counts blocks for a network's file system.
static long reads_done(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_majflt + usage.ru_inblock : 0;
}

static void look_at(struct sampling *s, uint64_t index, struct page_nodes *out)
{
    char *at = s->base + index * s->page;
    bool belief = s->oracle == ORACLE_BELIEF;

    if (s->oracle == ORACLE_NONE) {
        out->unknown++;
        return;
    }
    if (!is_resident(s, index)) {
        out->absent++;
        return;
    }
    long before = belief ? reads_done() : 0;
    if (madvise(at, s->page, MADV_POPULATE_READ) != 0) {
        out->unknown++;
        return;
    }
    if (belief && reads_done() != before) {
        out->absent++;
        s->oracle = ORACLE_NONE;
        return;
    }
    s->touched[s->ntouched++] = at;
}

static int ask_nodes(struct sampling *s, struct page_nodes *out)
{
    int status[PAGE_SAMPLES_MAX];

    if (s->ntouched == 0)
        return 0;
    if (move_pages(0, s->ntouched, s->touched, NULL, status, 0) < 0)
        return -errno;
    for (unsigned i = 0; i < s->ntouched; i++) {
        if (status[i] >= 0 && status[i] < PAGE_NODES_MAX)
            out->on[status[i]]++;
        else
            out->unknown++;
    }
    return 0;
}

static int sample_mapped(struct sampling *s, unsigned samples, bool sent, struct page_nodes *out)
{
    uint64_t n = min_of(s->pages, min_of(samples, (unsigned)PAGE_SAMPLES_MAX));

    // One page is read when one must be, and the kernel learns nothing about what is in use.
    (void)madvise(s->base, s->pages * s->page, MADV_RANDOM);
    s->oracle = choose_oracle(s, sent);
    for (uint64_t i = 0; i < n; i++)
        look_at(s, s->pages * (2 * i + 1) / (2 * n), out);
    return ask_nodes(s, out);
}

static int sample(int fd, uint64_t off, uint64_t len, unsigned samples, bool sent,
                  struct page_nodes *out)
{
    struct sampling s = {.fd = fd, .page = (size_t)sysconf(_SC_PAGESIZE)};
    struct stat st;

    *out = (struct page_nodes){0};
    if (sys->fstat(fd, &st) != 0)
        return -errno;
    s.size = (uint64_t)st.st_size;
    if (off >= s.size || len == 0)
        return 0;
    s.first = off / s.page;
    s.pages = (off + min_of(len, s.size - off) - 1) / s.page - s.first + 1;
    s.base = mmap(NULL, s.pages * s.page, PROT_READ, MAP_SHARED, fd, (off_t)(s.first * s.page));
    if (s.base == MAP_FAILED)
        return -errno;
    int rc = sample_mapped(&s, samples, sent, out);
    munmap(s.base, s.pages * s.page);
    return rc;
}

int page_node_sample(int fd, uint64_t off, uint64_t len, unsigned samples, struct page_nodes *out)
{
    return sample(fd, off, len, samples, false, out);
}

int page_node_sample_sent(int fd, uint64_t off, uint64_t len, unsigned samples,
                          struct page_nodes *out)
{
    return sample(fd, off, len, samples, true, out);
}
