// SPDX-License-Identifier: Apache-2.0
//
// Compressed bodies that a worker keeps, so that a playlist that many ask for is compressed once
// for each of its versions. The one used longest ago makes room.
#pragma once

#include "lib/base/sv.h"

struct gzip_cache;
struct open_file;

// A version of a file's content, compressed at one level. Compared byte by byte.
struct gzip_key {
    uint64_t dev, ino, size;
    int64_t mtime_s, mtime_ns, ctime_s, ctime_ns;
    int64_t level;
};

#define GZIP_CACHE_SETTLED_MS 100 // a file's times tell its versions apart by less than this
#define GZIP_CACHE_COARSE_MS 2000 // the same where they know nothing below a second

// False when the file was changed so short a time ago (`now_ms`: since the epoch) that a further
// change might not show in its times.
bool gzip_key_make(const struct open_file *f, int level, int64_t now_ms, struct gzip_key *key);

// Room for `bytes`, all that it takes counted. NULL when memory is out.
struct gzip_cache *gzip_cache_new(size_t bytes);
void gzip_cache_free(struct gzip_cache *c); // NULL is harmless
// p == NULL when it is not there. The bytes are the cache's, until the next put.
struct sv gzip_cache_get(struct gzip_cache *c, const struct gzip_key *key);
// Takes a copy, unless memory is out or it would take more than a quarter of the cache.
void gzip_cache_put(struct gzip_cache *c, const struct gzip_key *key, struct sv body);
