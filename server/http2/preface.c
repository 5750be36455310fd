// SPDX-License-Identifier: Apache-2.0
//
// Which protocol the first bytes of a connection in the clear speak.
#include "lib/base/check.h"
#include "server/http2/http2_priv.h"
#include "server/http2/http2.h"

#define PREFACE NGHTTP2_CLIENT_MAGIC

static void decide(struct conn *c)
{
    struct sv came = sv_of(c->pending + c->pending_off, c->pending_len - c->pending_off);
    size_t n = min_of(came.n, sizeof(PREFACE) - 1);
    char *bytes = c->pending;
    uint32_t off = c->pending_off;

    if (memcmp(came.p, PREFACE, n) != 0)
        c->protocol = &protocol_http1;
    else if (n == sizeof(PREFACE) - 1)
        http2_begin(c);
    else
        return;
    // What was kept is the first that the protocol hears.
    c->pending = NULL;
    c->pending_off = c->pending_len = c->pending_cap = 0;
    if (c->step != CONN_closing)
        c->protocol->take_in(c, bytes + off, came.n);
    free(bytes);
}

static void take_in(struct conn *c, const char *data, size_t n)
{
    conn_keep_pending(c, data, n);
    if (c->step != CONN_closing)
        decide(c);
}

// Nothing was understood so far.
static void close_quietly(struct conn *c)
{
    conn_close(c);
}

static void ignore_event(struct conn *c, int32_t res)
{
    (void)c;
    (void)res;
}

static void ignore(struct conn *c)
{
    (void)c;
}

static bool no(const struct conn *c)
{
    (void)c;
    return false;
}

static bool yes(struct conn *c)
{
    (void)c;
    return true;
}

static const struct protocol protocol_unknown = {
    .take_in = take_in,
    .end_of_stream = close_quietly,
    .writable = ignore_event,
    .retry_send = ignore,
    .timed_out = close_quietly,
    .log_settled = ignore,
    .drain = ignore,
    .answering = no,
    .lost = ignore,
    .give_up = yes,
    .free = ignore,
};

void http2_expect_preface(struct conn *c)
{
    c->protocol = &protocol_unknown;
}
