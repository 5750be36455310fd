// SPDX-License-Identifier: Apache-2.0
//
// Residency of a part of an open file, with what is remembered of the file: one that a cache keeps
// open and that was found resident as a whole is not asked again for a second, so that a hot file
// costs no probes.
#pragma once

#include "lib/file/open_file.h"
#include "lib/file/residency.h"

#define EXTENT_TRUST_MS 1000        // how long residency of a whole file is believed
#define EXTENT_WHOLE_MAX (8u << 20) // bytes: larger files are probed by parts

// As file_resident() of [off, off+len). `now_ms` is CLOCK_MONOTONIC.
bool extent_resident(const struct ring_features *features, struct open_file *f, uint64_t off,
                     uint64_t len, uint64_t now_ms);
