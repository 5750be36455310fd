// SPDX-License-Identifier: Apache-2.0
//
// The other side of a host's connection: nghttp2's client session, in memory. It judges every
// frame; what arrives on a stream is compared with what it should be, byte by byte.
#pragma once

#include <criterion/criterion.h>

#include "test/unit/server/http2/host_life.h"

#define PEER_STREAMS 1024

struct peer_stream {
    int32_t id;
    char fields[1024];       // "name: value\n" of the head, then of the trailers
    unsigned status;
    uint64_t size, from;     // the file that should come, and its first byte
    const char *text;        // or what begins with this
    size_t ntext;
    uint64_t got, uncounted; // bytes; those that were not given back to the windows
    uint64_t expected;       // UINT64_MAX: not known
    unsigned frames;         // of DATA
    size_t largest;
    bool headed, ended, closed, reset_by_us;
    uint32_t code;           // of its end
};

struct peer {
    struct conn *conn;
    uint64_t number;         // of the connection
    int fd;
    nghttp2_session *session;
    size_t seen;             // of host.wire
    unsigned piece;          // bytes are given in pieces of up to so many; 0: as they come
    bool failed;             // the server broke the protocol
    int32_t goaway;          // last stream id; -1: none came
    uint32_t goaway_code;
    unsigned nstreams, nclosed;
    uint64_t uncounted;      // as above, of the connection
    struct peer_stream streams[PEER_STREAMS];
};

static inline struct peer_stream *peer_find(struct peer *p, int32_t id)
{
    for (unsigned i = p->nstreams; i-- > 0;) {
        if (p->streams[i].id == id)
            return &p->streams[i];
    }
    return NULL;
}

static inline int peer_field(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t nn, const uint8_t *value, size_t nv,
                             uint8_t flags, void *data)
{
    struct peer_stream *s = peer_find(data, frame->hd.stream_id);

    (void)session;
    (void)flags;
    cr_assert_not_null(s);
    size_t at = strlen(s->fields);
    snprintf(s->fields + at, sizeof(s->fields) - at, "%.*s: %.*s\n", (int)nn, (const char *)name,
             (int)nv, (const char *)value);
    if (nn == 7 && memcmp(name, ":status", 7) == 0)
        s->status = (unsigned)atoi((const char *)value);
    return 0;
}

static inline int peer_data(nghttp2_session *session, uint8_t flags, int32_t id,
                            const uint8_t *bytes, size_t n, void *data)
{
    struct peer *p = data;
    struct peer_stream *s = peer_find(p, id);

    (void)session;
    (void)flags;
    cr_assert(s != NULL && s->headed && !s->ended && !s->closed);
    for (size_t i = 0; i < n; i++) {
        uint64_t at = s->got + i;
        cr_assert_lt(at, s->expected);
        if (s->text != NULL)
            cr_assert(at >= s->ntext || bytes[i] == (uint8_t)s->text[at], "not %s", s->text + at);
        else if (s->expected != UINT64_MAX)
            cr_assert_eq(bytes[i], host_byte(s->size, s->from + at), "stream %d, byte %llu", id,
                         (unsigned long long)at);
    }
    s->got += n;
    s->uncounted += n;
    p->uncounted += n;
    return 0;
}

static inline int peer_frame(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct peer *p = data;
    struct peer_stream *s = peer_find(p, frame->hd.stream_id);

    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        cr_assert(p->goaway < 0 || frame->goaway.last_stream_id <= p->goaway);
        p->goaway = frame->goaway.last_stream_id;
        p->goaway_code = frame->goaway.error_code;
    }
    if (s == NULL)
        return 0;
    if (frame->hd.type == NGHTTP2_DATA) {
        s->frames++;
        s->largest = max_of(s->largest, frame->hd.length);
    }
    s->headed = s->headed || frame->hd.type == NGHTTP2_HEADERS;
    s->ended = s->ended || (frame->hd.type <= NGHTTP2_HEADERS &&
                            (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0);
    return 0;
}

static inline int peer_closed(nghttp2_session *session, int32_t id, uint32_t code, void *data)
{
    struct peer_stream *s = peer_find(data, id);

    (void)session;
    cr_assert_not_null(s);
    s->closed = true;
    s->code = code;
    ((struct peer *)data)->nclosed++;
    if (s->ended && !s->reset_by_us && s->expected != UINT64_MAX)
        cr_assert_eq(s->got, s->expected, "stream %d ended at %llu", id,
                     (unsigned long long)s->got);
    return 0;
}

static inline int peer_refuses(nghttp2_session *session, const nghttp2_frame *frame, int error,
                               void *data)
{
    (void)session;
    ((struct peer *)data)->failed = true;
    cr_assert_fail("frame of type %u on %d: %s", frame->hd.type, frame->hd.stream_id,
                   nghttp2_strerror(error));
    return 0;
}

void peer_open(struct peer *p, const nghttp2_settings_entry *settings, size_t n);
void peer_close(struct peer *p);
// The host's end: nothing has leaked.
void peer_end(void);
// Bytes go both ways, and the loop turns, until nothing moves any more.
void peer_run(struct peer *p);
