// SPDX-License-Identifier: Apache-2.0
//
// What the judge (http2_judge.h) wants of the frames of a server. Included once.
#pragma once

#include <string.h>

#include "lib/base/check.h"
#include "test/fuzz/http2_judge_client.h"
#include "test/fuzz/http2_judge_fields.h"

static void judge_stream_ends(struct judge_stream *s)
{
    s->ended = true;
    // Nothing at all came for a HEAD request.
    check(s->length == UINT64_MAX || s->sent == 0 || s->sent == s->length);
}

static void judge_headers(struct judge *j, uint32_t id, uint8_t flags, const char *p, size_t n)
{
    struct judge_stream *s = judge_stream(j, id);

    check((flags & ~(NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS)) == 0);
    check(id % 2 == 1 && id <= j->highest);
    if (s != NULL) {
        check(s->asked && !s->ended && !s->reset);
        // Trailers end the stream.
        check(!s->headed || (flags & NGHTTP2_FLAG_END_STREAM) != 0);
    }
    judge_block(j, s, (const uint8_t *)p, n, (flags & NGHTTP2_FLAG_END_HEADERS) != 0);
    j->continued = (flags & NGHTTP2_FLAG_END_HEADERS) == 0 ? id : 0;
    if (s != NULL && (flags & NGHTTP2_FLAG_END_STREAM) != 0)
        judge_stream_ends(s);
}

static void judge_data(struct judge *j, uint32_t id, uint8_t flags, size_t n)
{
    struct judge_stream *s = judge_stream(j, id);

    check((flags & ~NGHTTP2_FLAG_END_STREAM) == 0);
    check(id % 2 == 1 && id <= j->highest);
    j->sent += n;
    check(j->sent <= 65535 + j->opened);
    if (s == NULL)
        return;
    check(s->headed && !s->ended && !s->reset);
    s->sent += n;
    check(s->sent <= j->window + s->opened);
    check(s->length == UINT64_MAX || s->sent <= s->length);
    if (flags & NGHTTP2_FLAG_END_STREAM)
        judge_stream_ends(s);
}

static void judge_acknowledged(struct judge *j)
{
    // An empty SETTINGS frame that the client has not sent is not acknowledged.
    check(j->acked < j->ntables);
    const struct judge_table *t = &j->tables[j->acked++];
    if (t->last == UINT32_MAX && t->least == UINT32_MAX)
        return;
    check(nghttp2_hd_inflate_change_table_size(j->inflater, t->least) == 0);
    check(nghttp2_hd_inflate_change_table_size(j->inflater, t->last) == 0);
}

static void judge_settings(struct judge *j, uint32_t id, uint8_t flags, size_t n)
{
    check(id == 0 && (flags & ~NGHTTP2_FLAG_ACK) == 0);
    check(flags == 0 ? n % 6 == 0 : n == 0);
    if (flags != 0)
        judge_acknowledged(j);
}

static void judge_reset(struct judge *j, uint32_t id, uint8_t flags, size_t n)
{
    struct judge_stream *s = judge_stream(j, id);

    check(flags == 0 && n == 4 && id != 0);
    // Of a stream that the client had not opened, when that was its fault.
    if (s != NULL && s->asked) {
        check(!s->reset);
        s->reset = true;
    }
}

static void judge_goaway(struct judge *j, uint32_t id, const char *p, size_t n)
{
    check(id == 0 && n >= 8);
    uint32_t last = judge_number(p, 4);
    check(last <= j->goaway && judge_number(p + 4, 4) <= NGHTTP2_HTTP_1_1_REQUIRED);
    j->goaway = last;
}

static void judge_frame(struct judge *j, const char *p, size_t n)
{
    uint32_t id = judge_number(p + 5, 4);
    uint8_t type = (uint8_t)p[3], flags = (uint8_t)p[4];

    check(id <= INT32_MAX && (type == NGHTTP2_CONTINUATION) == (j->continued != 0));
    check(j->nframes++ != 0 || (type == NGHTTP2_SETTINGS && flags == 0));
    switch (type) {
    case NGHTTP2_DATA:
        judge_data(j, id, flags, n);
        break;
    case NGHTTP2_HEADERS:
        judge_headers(j, id, flags, p + 9, n);
        break;
    case NGHTTP2_CONTINUATION:
        check(id == j->continued && (flags & ~NGHTTP2_FLAG_END_HEADERS) == 0);
        judge_block(j, judge_stream(j, id), (const uint8_t *)p + 9, n, flags != 0);
        j->continued = flags == 0 ? id : 0;
        break;
    case NGHTTP2_RST_STREAM:
        judge_reset(j, id, flags, n);
        break;
    case NGHTTP2_SETTINGS:
        judge_settings(j, id, flags, n);
        break;
    case NGHTTP2_PING:
        check(id == 0 && n == 8 && flags == NGHTTP2_FLAG_ACK);
        break;
    case NGHTTP2_GOAWAY:
        judge_goaway(j, id, p + 9, n);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        check(n == 4 && judge_number(p + 9, 4) != 0 && judge_number(p + 9, 4) <= INT32_MAX);
        break;
    default:
        check(!"a frame that a server has no use for");
    }
}
