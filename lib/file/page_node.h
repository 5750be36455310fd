// SPDX-License-Identifier: Apache-2.0
//
// Which memory node the pages of a part of an open file lie on, by looking at a few of them.
//
// A page's node can only be asked for once it is mapped (move_pages(2)), and mapping one that is
// not in the page cache reads it from the disk. So only pages that are known to be resident are
// mapped. Who may know that is the difficulty: mincore(2), and cachestat(2) since 6.14 and in fixed
// older kernels, answer only for a file that the process owns or may write. mincore then calls
// every page resident, which is found out by asking it about a page far beyond the end. A read with
// RWF_NOWAIT would tell anybody, but starts the read-ahead when the answer is no.
//
// For a background thread. A call costs 15 us and 1 us for each page looked at, or 9 us where they
// lie megabytes apart (page tables are made for each; measured on a virtual machine). Its munmap
// interrupts each CPU on which another thread of the process is running (a TLB flush), so a
// few hundred calls in a second are the most.
#pragma once

#include <stdint.h>

#include "lib/base/compiler.h"

#define PAGE_NODES_MAX 16
#define PAGE_SAMPLES_MAX 64

struct page_nodes {
    unsigned on[PAGE_NODES_MAX]; // pages by node
    unsigned absent;             // not in the page cache
    unsigned unknown;            // the kernel does not say, or the node's number is too large
};

// Looks at up to `samples` pages (at most PAGE_SAMPLES_MAX), evenly spread over [off, off+len) as
// far as the file reaches. Reads nothing from the disk, unless a page goes between the question
// whether it is there and its being mapped; that reads this one page. 0, or -errno: -ENOSYS and
// -EPERM where nobody is told about nodes (a kernel without NUMA, some containers), -ENODEV for
// files that cannot be mapped.
must_check int page_node_sample(int fd, uint64_t off, uint64_t len, unsigned samples,
                                struct page_nodes *out);

// The same for a part that the caller has sent a moment ago. Where the kernel does not say what is
// resident, that is believed to be so still. A page that has gone all the same is read from the
// disk, alone and without read-ahead; it counts as absent, the rest as unknown, so that one call
// reads one page at most.
must_check int page_node_sample_sent(int fd, uint64_t off, uint64_t len, unsigned samples,
                                     struct page_nodes *out);

static inline unsigned page_nodes_known(const struct page_nodes *n)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < PAGE_NODES_MAX; i++)
        sum += n->on[i];
    return sum;
}
