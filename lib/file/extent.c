// SPDX-License-Identifier: Apache-2.0
#include "lib/file/extent.h"

static bool is_trusted(const struct open_file *f, uint64_t off, uint64_t len, uint64_t now_ms)
{
    return now_ms < f->resident_until_ms && off < f->size && len <= f->size - off;
}

bool extent_resident(const struct ring_features *features, struct open_file *f, uint64_t off,
                     uint64_t len, uint64_t now_ms)
{
    if (is_trusted(f, off, len, now_ms))
        return true;
    // Without a cache the file is opened anew for each request, and nothing would be remembered.
    if (f->entry == NULL || f->size > EXTENT_WHOLE_MAX)
        return file_resident(features, f->fd, off, len);
    if (!file_resident(features, f->fd, 0, f->size))
        return file_resident(features, f->fd, off, len);
    f->resident_until_ms = now_ms + EXTENT_TRUST_MS;
    return is_trusted(f, off, len, now_ms);
}
