// SPDX-License-Identifier: Apache-2.0
//
// Hash of bytes, and a small open-addressing table from string views to pointers for what is built
// once, at load. Keyed by a seed of this process, because some keys come from the network.
#pragma once

#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/sv.h"

// 64 bits of hash; the seed is drawn at first use (getrandom(2)) and stays for the life of the
// process, so a hash means nothing outside of it and of what it forked later. Thread-safe.
uint64_t hash_bytes(const void *p, size_t n);
uint64_t hash_nocase(struct sv s); // ASCII case folded

struct strmap_slot {
    struct sv key;
    void *value;
    uint64_t hash;
};

struct strmap {
    struct strmap_slot *slots; // arena of the caller
    uint32_t mask, count; // slots less one; keys that are there
    bool nocase;          // ASCII case of keys does not matter
};

// Room for `capacity` keys, in `a`. 0 or -ENOMEM.
must_check int strmap_init(struct strmap *m, struct arena *a, uint32_t capacity, bool nocase);

// 0, -EEXIST when the key is there, -ENOSPC when the table is full. The key is
// borrowed, and so is the value.
must_check int strmap_put(struct strmap *m, struct sv key, void *value);

// NULL when it is not there (or its value is NULL).
void *strmap_get(const struct strmap *m, struct sv key);
