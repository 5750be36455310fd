// SPDX-License-Identifier: Apache-2.0
//
// How the judge (http2_judge.h) hears the client. Included once.
#pragma once

#include <string.h>

#include "lib/base/check.h"
#include "test/fuzz/http2_judge.h"

static uint32_t judge_number(const char *p, size_t n)
{
    uint32_t value = 0;

    for (size_t i = 0; i < n; i++)
        value = value << 8 | (uint8_t)p[i];
    return value;
}

static struct judge_stream *judge_stream(struct judge *j, uint32_t id)
{
    return id % 2 == 1 && id < JUDGE_STREAMS ? &j->streams[id] : NULL;
}

static void judge_hears_settings(struct judge *j, const char *p, size_t n)
{
    struct judge_table table = {UINT32_MAX, UINT32_MAX};

    for (size_t at = 0; at + 6 <= n; at += 6) {
        uint32_t id = judge_number(p + at, 2), value = judge_number(p + at + 2, 4);
        if (id == NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE && value > j->window)
            j->window = value;
        if (id == NGHTTP2_SETTINGS_HEADER_TABLE_SIZE) {
            table.least = value < table.least ? value : table.least;
            table.last = value;
        }
    }
    if (j->ntables == JUDGE_TABLES)
        j->deaf = true;
    else
        j->tables[j->ntables++] = table;
}

static void judge_hears_frame(struct judge *j, const char *p, size_t n)
{
    uint32_t id = judge_number(p + 5, 4) & INT32_MAX;
    struct judge_stream *s = judge_stream(j, id);

    switch (p[3]) {
    case NGHTTP2_HEADERS:
        j->highest = id > j->highest ? id : j->highest;
        if (s != NULL)
            s->asked = true;
        break;
    case NGHTTP2_RST_STREAM:
        if (s != NULL)
            s->cancelled = true;
        break;
    case NGHTTP2_SETTINGS:
        if ((p[4] & NGHTTP2_FLAG_ACK) == 0)
            judge_hears_settings(j, p + 9, n);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        if (n == 4 && id == 0)
            j->opened += judge_number(p + 9, 4) & INT32_MAX;
        else if (n == 4 && s != NULL)
            s->opened += judge_number(p + 9, 4) & INT32_MAX;
        break;
    default:
        break;
    }
}

void judge_hears(struct judge *j, const uint8_t *bytes, size_t n)
{
    while (n != 0 && !j->deaf) {
        size_t part = sizeof(j->said) - j->nsaid, at = 0, len;
        part = part < n ? part : n;
        memcpy(j->said + j->nsaid, bytes, part);
        j->nsaid += part;
        bytes += part;
        n -= part;
        for (; j->nsaid - at >= 9; at += 9 + len) {
            len = judge_number(j->said + at, 3);
            // Larger than we allow: an error of the connection.
            j->deaf = len > 16384;
            if (j->deaf || j->nsaid - at < 9 + len)
                break;
            judge_hears_frame(j, j->said + at, len);
        }
        memmove(j->said, j->said + at, j->nsaid - at);
        j->nsaid -= at;
    }
}
