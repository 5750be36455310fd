// SPDX-License-Identifier: Apache-2.0
//
// Copies of hot content on the node that serves it. A file has its pages once, on the nodes of
// those who read it first; a silo that sends much of what lies elsewhere keeps a copy in memory of
// its own node, and sends from that.
//
// One store for each silo: a memfd, bound to the node, in slots of REPLICA_CHUNK bytes. A chunk is
// that part of a file; the last one may be short. Workers look chunks up and say what they had to
// send from the page cache; one background thread of the silo copies.
//
// What is copied (admission): every chunk crosses between the nodes once more to be copied, so the
// decision comes before the copy, from the frequency alone. A sketch (TinyLFU, frequency.h) counts
// what is sent, from the store and past it. A chunk that was sent REPLICA_FREQUENT times lately is
// copied while there is room, and else when it is more frequent than the least frequent of
// some slots that come next in turn. S3-FIFO, the alternative, would put each newcomer into a small
// queue first, that is, copy first and decide later, and its remembered keys take more memory than
// the sketch. One pass over a catalogue sees each chunk once, and copies nothing.
//
// A stale byte is never sent: a copy carries the identity of its file, and is used only for a
// caller that has just seen the same one. See replica_file for what an identity can tell.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "lib/base/compiler.h"

#define REPLICA_CHUNK (1u << 20) // bytes
#define REPLICA_FREQUENT 3       // times in the window of the sketch
#define REPLICA_SETTLED_S 2      // a file that changed more recently is not copied

struct replica_store;

// A file as fstat(2) tells of it. Any write, truncation or change of times moves the ctime, which
// nobody can set. The clock behind it has a grain (some milliseconds; two seconds on the coarsest
// file systems), so a second change right after the first may leave no trace: for that reason
// only what has been quiet for REPLICA_SETTLED_S is copied. A writer by mmap(2) moves the times
// once for many stores, in its own time: content that is served must not be written that way.
struct replica_file {
    dev_t dev;
    ino_t ino;
    uint64_t size;
    int64_t mtime_s, mtime_ns, ctime_s, ctime_ns;
};

struct replica_file replica_file_of(const struct stat *st);

struct replica_plan {
    int node;       // whose memory the copies are in; -1: any
    uint64_t bytes; // of copies; at least REPLICA_CHUNK. The index takes 0.05% more
    // Copy without asking where the file's pages lie. Otherwise, chunks all of whose pages are on
    // `node` are left alone.
    bool anywhere;
};

// 0, -EINVAL (too small a store, a node that is not there or not allowed) or -errno. Where mbind(2)
// is refused (some containers) memory comes from where the background thread's policy says.
must_check int replica_store_make(struct replica_store **out, const struct replica_plan *plan);
// No thread uses the store any more, nothing is pinned. NULL is harmless.
void replica_store_free(struct replica_store *s);

// Where bytes of a file are in the store.
struct replica_hit {
    int fd;        // the store's memfd: pread, sendfile; never written to
    uint64_t off;  // there
    uint64_t len;  // bytes from there on, at least 1 and at most what was asked for
    uint32_t slot; // pinned
};

// Workers. Is there a copy of the byte at `off`, and how many of the `len` from there on are
// contiguous? True: they stay as they are until replica_put(), which is due after the system call
// that read them; what sendfile(2) has put into a socket's queue needs no pin. `id` comes from an
// fstat(2) that is as fresh as the answer shall be: a copy with another identity is dropped, and
// with it those of the whole file (but an `id` with an older ctime is only a miss). Never waits.
bool replica_get(struct replica_store *s, const struct replica_file *id, uint64_t off,
                 uint64_t len, struct replica_hit *hit);
// `sent`: how many of the bytes really went, which is what frequency is counted by.
void replica_put(struct replica_store *s, const struct replica_hit *hit, uint64_t sent);

// Workers. [off, off+len) was sent from the page cache, from pages on another node or who knows
// where. May order copies; `fd` is duplicated then. Never waits: what finds no room in the queue
// is lost, and comes again. A part of a chunk counts with the probability of its share of it.
void replica_want(struct replica_store *s, const struct replica_file *id, int fd, uint64_t off,
                  uint64_t len);

// Background thread, one for each store. Does one order, or one drop; reads from the disk what has
// left the page cache meanwhile. False: there is nothing to do; replica_orders_fd() becomes
// readable when there is. The caller sets the pace: a copy is about a millisecond of work.
bool replica_work(struct replica_store *s);
int replica_orders_fd(const struct replica_store *s);

struct replica_counts {
    uint64_t admitted; // chunks copied
    uint64_t refused;  // orders: less frequent than the victim, too young, gone from the page cache
    uint64_t local;    // orders: all pages are on the node already
    uint64_t failed;   // orders: no memory on the node, read errors, changed while being copied
    uint64_t lost;     // wishes that found no room in the queue
    uint64_t evicted;  // copies given up for others
    uint64_t stale;    // copies whose file has changed
    uint64_t held;     // bytes of copies now
};

// Any thread; each number by itself is right.
struct replica_counts replica_counts(const struct replica_store *s);
