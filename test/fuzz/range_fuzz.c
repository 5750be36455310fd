// SPDX-License-Identifier: Apache-2.0
//
// Ranges to be sent are never empty, never outside the body, never more than allowed, and several
// of them never exceed the body. The first eight bytes are the body's size, the ninth is
// max_ranges (255: its default); the rest is the header.
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/http/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_ranges(const struct range *r, size_t count, uint64_t size, uint64_t max_ranges)
{
    uint64_t total = 0;
    check(count > 0 && count <= max_ranges);
    for (size_t i = 0; i < count; i++) {
        check(r[i].start < r[i].end && r[i].end <= size);
        total += r[i].end - r[i].start;
    }
    check(count == 1 || total <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct range *ranges;
    size_t count;
    uint64_t body;
    if (size < 9)
        return 0;
    memcpy(&body, data, 8);
    body &= INT64_MAX; // as a file's size
    uint64_t max_ranges = data[8] == 255 ? INT32_MAX : data[8];
    // A copy of its own, so that a step behind its end is seen.
    size_t n = size - 9;
    char *header = malloc(n + 1);
    check(header != NULL);
    memcpy(header, data + 9, n);
    arena_init(&arena, NULL);
    if (range_parse(sv_of(header, n), body, max_ranges, &arena, &ranges, &count) == RANGE_PARTIAL)
        check_ranges(ranges, count, body, max_ranges);
    else
        check(count == 0);
    arena_reset(&arena);
    free(header);
    return 0;
}
