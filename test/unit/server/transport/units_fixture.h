// SPDX-License-Identifier: Apache-2.0
//
// Units on a real connection of a made-up worker and request, and what should come out at the other
// side.
#pragma once

#include <fcntl.h>

#include "server/transport/body.h"
#include "server/transport/unit.h"
#include "test/unit/server/request_fixture.h"
#include "test/unit/server/transport/calls_fixture.h"

#define UNITS_MAX 400

static struct fixture *f;

// What is to be sent, and what should come of it.
static struct unit units[UNITS_MAX];
static size_t nunits, total;
static char expected[4 * FILE_SIZE], received[4 * FILE_SIZE];

static inline void setup(void)
{
    static struct log_sink sink = {.level = LOG_LEVEL_INFO, .emit = emit};

    f = fixture_new();
    f->worker->scratch = malloc(WORKER_SCRATCH);
    f->conn.transport = &transport_plain;
    f->r->response.file = &file;
    fcntl(f->conn.fd, F_SETFL, O_NONBLOCK);
    open_content();
    fake_calls();
    log_use(&sink);
}

static inline void teardown(void)
{
    sys = &sys_default;
    log_use(NULL);
    record_buffers_free(f->worker);
    free(f->worker->scratch);
    close(file.fd);
    fixture_free(f);
}

static inline void expect(const void *p, size_t n)
{
    cr_assert_leq(total + n, sizeof(expected));
    if (n != 0)
        memcpy(expected + total, p, n);
    total += n;
}

static inline void begin(void)
{
    nunits = total = ncalls = 0;
    f->r->response.sent_bytes = 0;
}

static inline void add(struct request *r, uint32_t memory, uint64_t off, uint32_t len)
{
    static const char text[] = "what a table of header fields might look like, only longer";
    uint32_t payload = memory + len;

    cr_assert(nunits < UNITS_MAX && memory < sizeof(text));
    struct unit *u = &units[nunits++];
    *u = (struct unit){.request = r, .p = text, .n = memory, .off = off, .len = len,
                       .head = {(uint8_t)(payload >> 16), (uint8_t)(payload >> 8),
                                (uint8_t)payload, 0, 0, 0, 0, 0, (uint8_t)nunits}};
    expect(u->head, FRAME_HEADER);
    expect(text, memory);
    expect(content + off, len);
}

// A PING's answer, a head, bodies from memory and from a file, an end.
static inline void add_small(void)
{
    begin();
    add(NULL, 8, 0, 0);
    add(f->r, 40, 0, 0);
    add(f->r, 5, 0, 33);
    add(f->r, 0, 33, 50);
    add(f->r, 0, 0, 0);
}

static inline void add_frames(unsigned n, uint32_t payload)
{
    for (unsigned i = 0; i < n; i++)
        add(f->r, 0, (uint64_t)i * payload, payload);
}

static inline void check_received(void)
{
    struct timeval patience = {.tv_sec = 10};
    size_t n = 0;
    ssize_t got;

    setsockopt(f->client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    while (n < total && (got = read(f->client, received + n, total - n)) > 0)
        n += (size_t)got;
    cr_assert_eq(n, total);
    cr_assert_eq(memcmp(received, expected, total), 0);
}

static inline uint64_t all_left(size_t from)
{
    uint64_t left = 0;

    for (size_t i = from; i < nunits; i++)
        left += unit_left(&units[i]);
    return left;
}

static inline enum transport_result send_from(size_t *from)
{
    size_t sent;
    enum transport_result rc = units_send(&f->conn, units + *from, nunits - *from, &sent);

    cr_assert_leq(sent, nunits - *from);
    *from += sent;
    if (*from < nunits)
        cr_assert_neq(unit_left(&units[*from]), 0);
    return rc;
}

static inline void fetched(struct op *op, int32_t res, uint32_t flags)
{
    (void)op;
    (void)flags;
    cr_assert(body_fetch_done(f->r, res));
}

static inline void wait_for_fetch(void)
{
    cr_assert(op_in_flight(&f->r->fetch));
    while (op_in_flight(&f->r->fetch))
        cr_assert_eq(ring_turn(&f->worker->ring, true), 0);
}

static inline void open_ring(void)
{
    char why[256];

    if (ring_init(&f->worker->ring, why, sizeof(why)) != 0)
        cr_skip_test("%s", why);
    f->worker->ring.features.cachestat = false;
    op_init(&f->r->fetch, fetched);
}
