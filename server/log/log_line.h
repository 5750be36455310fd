// SPDX-License-Identifier: Apache-2.0
//
// One line while it is put together: in the caller's room at first, in the request's arena when it
// outgrows that. Escaping as log_format's `escape` says.
#pragma once

#include "lib/base/arena.h"
#include "server/log/access_log.h"

#define LOG_LINE_ROOM 2048 // bytes; nearly every line fits

struct log_line {
    char *p;
    size_t n, cap;
    struct arena *arena;
    bool failed; // memory was out: the line is of no use
};

// False when memory is out.
bool log_line_grow(struct log_line *line, size_t more);

static inline bool log_line_reserve(struct log_line *line, size_t more)
{
    return likely(line->cap - line->n >= more) || log_line_grow(line, more);
}

static inline void log_line_put(struct log_line *line, struct sv s)
{
    if (s.n == 0 || !log_line_reserve(line, s.n))
        return;
    memcpy(line->p + line->n, s.p, s.n);
    line->n += s.n;
}

// default: '"', '\' and what is not printable ASCII as \xXX. json: as a JSON string demands, bytes
// above 127 as they are. none: as it is.
void log_line_escape(struct log_line *line, struct sv value, enum log_escape escape);
