// SPDX-License-Identifier: Apache-2.0
//
// What a peer (peer.h) asks for, and what should come. Included once in each program.
#pragma once

#include "test/unit/server/http2/peer_life.h"

#define NV(n, v) {(uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n), strlen(v), \
               NGHTTP2_NV_FLAG_NO_COPY_NAME}

static inline struct peer_stream *peer_submit(struct peer *p, const nghttp2_nv *nv, size_t n,
                                              const nghttp2_data_provider *body)
{
    struct peer_stream *s = &p->streams[p->nstreams];

    cr_assert_lt(p->nstreams, PEER_STREAMS);
    *s = (struct peer_stream){.expected = UINT64_MAX};
    s->id = nghttp2_submit_request(p->session, NULL, nv, n, body, NULL);
    cr_assert_gt(s->id, 0);
    p->nstreams++;
    return s;
}

// A request of four fields and `more` of them.
static inline struct peer_stream *peer_ask(struct peer *p, const char *method, const char *path,
                                           const nghttp2_nv *more, size_t n)
{
    nghttp2_nv nv[20] = {NV(":method", method), NV(":scheme", "http"), NV(":path", path),
                         NV(":authority", "example.com")};

    cr_assert_leq(n, 16);
    for (size_t i = 0; i < n; i++)
        nv[4 + i] = more[i];
    return peer_submit(p, nv, 4 + n, NULL);
}

static inline void peer_expect(struct peer_stream *s, const char *begin)
{
    s->text = begin;
    s->ntext = strlen(begin);
}

// Of a file that is named by its size.
static inline struct peer_stream *peer_get(struct peer *p, uint64_t size)
{
    char path[32];

    snprintf(path, sizeof(path), "/%llu", (unsigned long long)size);
    struct peer_stream *s = peer_ask(p, "GET", path, NULL, 0);
    s->size = s->expected = size;
    return s;
}

static inline bool peer_has_field(const struct peer_stream *s, const char *line)
{
    const char *at = strstr(s->fields, line);

    return at != NULL && (at == s->fields || at[-1] == '\n') && at[strlen(line)] == '\n';
}

// What came is given back to the windows.
static inline void peer_consume(struct peer *p, struct peer_stream *s)
{
    cr_assert_eq(nghttp2_session_consume_stream(p->session, s->id, s->uncounted), 0);
    cr_assert_eq(nghttp2_session_consume_connection(p->session, p->uncounted), 0);
    s->uncounted = p->uncounted = 0;
}

// Until all streams are closed; windows are opened as bytes come.
static inline void peer_finish(struct peer *p)
{
    for (unsigned i = 0; i < 10000 && p->nclosed < p->nstreams; i++) {
        peer_run(p);
        for (unsigned k = 0; k < p->nstreams; k++) {
            if (!p->streams[k].closed)
                peer_consume(p, &p->streams[k]);
        }
        (void)nghttp2_session_consume_connection(p->session, p->uncounted);
        p->uncounted = 0;
    }
    cr_assert_eq(p->nclosed, p->nstreams);
}
