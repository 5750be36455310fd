// SPDX-License-Identifier: Apache-2.0
//
// Opening files without ever waiting for a disk: openat2(2) with RESOLVE_CACHED on the worker, and
// where the kernel says EAGAIN the same call on the ring. With a cache (nginx's open_file_cache) a
// descriptor and its attributes are kept for `valid` seconds before they are looked at again;
// without one every request opens anew, so that a file replaced by rename is served fresh (live
// playlists depend on it). One table for each worker; single thread.
#pragma once

#include <linux/openat2.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/compiler.h"
#include "lib/ring/op.h"

struct ring;
struct file_cache; // one of a worker's caches
struct file_entry; // a path in a cache

// An open file, or what is known of something else, shared by the requests that hold it.
struct open_file {
    uint32_t refs;
    int fd;               // O_RDONLY|O_NONBLOCK|O_CLOEXEC|O_NOCTTY of a regular file; else -1
    bool is_file, is_dir; // neither: a FIFO, device or socket: never read from
    bool owner_exec;
    dev_t dev;
    ino_t ino;
    uint64_t size; // bytes when opened or last looked at
    int64_t mtime_s;
    int64_t mtime_ns, ctime_s, ctime_ns;
    struct file_entry *entry; // in the cache, or NULL
    uint64_t resident_until_ms; // extent.h; CLOCK_MONOTONIC
};

// disable_symlinks off, on, if_not_owner
enum symlink_policy { SYMLINKS_ALLOWED, SYMLINKS_OFF, SYMLINKS_IF_OWNER };

// open_file_cache of one configuration block; configuration arena.
struct file_cache_policy {
    uint32_t max;       // entries; 0: no cache
    uint32_t index;     // which of the worker's caches, 0 based, dense
    int64_t inactive_s;
    int64_t valid_s;    // open_file_cache_valid
    int64_t min_uses;   // open_file_cache_min_uses
    bool errors;        // open_file_cache_errors
};

struct file_table {
    struct ring *ring;          // borrowed
    struct file_cache **caches; // one for each policy index
    unsigned ncaches;
    unsigned opening;           // lookups on the ring
};

// `ncaches`: one more than the largest policy index in use. 0 or -ENOMEM.
must_check int file_table_init(struct file_table *t, struct ring *ring, unsigned ncaches);
void file_table_destroy(struct file_table *t); // no lookup in flight, no file held

// A lookup, owned by the caller (zeroed at first), in flight at most once.
struct file_lookup {
    struct op op;
    // In: set by the caller, alive until done.
    const char *path;                      // absolute, terminated
    const struct file_cache_policy *cache; // NULL: none
    enum symlink_policy symlinks;
    size_t symlinks_from; // trusted bytes of `path` (disable_symlinks from=); a "/" comes next
    // Only attributes are wanted (try_files, -f): O_PATH, and file->fd may be -1. May be answered
    // from the cache, which takes in no more of it than an error.
    bool test_only;
    void (*done)(struct file_lookup *l); // only when file_lookup() said -EINPROGRESS
    // Out:
    int err;                // 0 or a positive errno
    struct open_file *file; // a reference the caller gives back with file_put()
    // Private:
    struct file_table *table;
    struct open_how how;
    uint32_t step;
    int dir_fd;       // where `name` starts; ours unless AT_FDCWD
    const char *name; // what the step opens: in `path` or in `part`, or a literal
    char *part;       // a copy of `path`, cut into components; heap, for symlink policies only
    size_t at;        // in `part`: the next component
    uid_t link_owner;
};

// 0: err or file is set. -EINPROGRESS: done() will be called, from the loop.
int file_lookup(struct file_table *t, struct file_lookup *l);
// A lookup in flight finishes by itself; its owner waits for done() before it goes.

// One more reference, to be given back with file_put(). The descriptor is closed with the last one.
static inline void file_hold(struct open_file *f)
{
    f->refs++;
}
void file_put(struct file_table *t, struct open_file *f); // NULL is harmless
