// SPDX-License-Identifier: Apache-2.0
//
// open_log_file_cache: how long files that are only known by path stay open in a worker.
#pragma once

#include <stdint.h>

struct log_path_policy {
    unsigned index;       // which of a worker's caches; 0 is that of the default
    unsigned max;         // files; the one not used for longest makes room
    uint64_t inactive_ms; // not used for so long, a file is closed
    uint64_t valid_ms;    // then a path is opened anew: it may have been renamed
    unsigned min_uses;    // lines within inactive_ms, below which a file does not stay open
};
