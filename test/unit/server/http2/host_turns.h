// SPDX-License-Identifier: Apache-2.0
//
// What a host (host.h) does between its beginning and its end. Included once in each program.
#pragma once

#include <sys/socket.h>

#include "server/http2/park.h"
#include "test/unit/server/http2/host.h"

struct conn *host_connect(int *peer)
{
    int fds[2];

    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    *peer = fds[1];
    conn_open(host.worker, host.config->http->listens, fds[0]);
    return container_of(host.worker->conns.prev, struct conn, node);
}

bool host_receive(struct conn *c, const void *bytes, size_t n)
{
    if (c->step == CONN_closing)
        return false;
    // A copy of its own, so that a step behind its end is seen.
    char *copy = malloc(n);
    check(copy != NULL);
    memcpy(copy, bytes, n);
    conn_enter(c);
    conn_take_in(c, copy, n);
    conn_leave(c);
    free(copy);
    return true;
}

bool host_has(uint64_t number)
{
    list_each (node, &host.worker->conns) {
        if (container_of(node, struct conn, node)->number == number)
            return true;
    }
    return false;
}

unsigned host_park(struct conn *c)
{
    unsigned n = 0;

    if (c->http2 == NULL || c->step == CONN_closing)
        return 0;
    list_each (node, &c->http2->streams)
        n += http2_stream_park(container_of(node, struct http2_stream, node));
    return n;
}

void host_wait(uint64_t number)
{
    while (host_has(number))
        check(ring_turn(&host.worker->ring, true) == 0);
}

// Whether an operation is on its way cannot be seen from outside, but of what this host has, the
// kernel is done with all but opens and reads of a disk within microseconds.
void host_turn(void)
{
    struct worker *w = host.worker;
    size_t before;

    for (int quiet = 0; quiet < 3;) {
        before = host.nwire + w->nconns;
        check(ring_turn(&w->ring, false) == 0);
        quiet = host.nwire + w->nconns == before && w->files.opening == 0 ? quiet + 1 : 0;
    }
}
