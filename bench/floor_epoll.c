// SPDX-License-Identifier: Apache-2.0
//
// The floor's epoll loop: edge-triggered, so that a connection is registered once and never
// changed; one recv and one answer per request.
#include "bench/floor_priv.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256 };

static void accept_all(int ep, int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};

        if (fd < 0)
            return;
        ev.data.ptr = floor_conn_new(fd);
        if (!ev.data.ptr)
            close(fd);
        else if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0)
            floor_conn_free(ev.data.ptr);
    }
}

static bool on_readable(struct floor_conn *c)
{
    char buf[FLOOR_RECV];
    ssize_t n = recv(c->fd, buf, sizeof(buf), 0);
    const struct floor_file *f;

    if (n < 0)
        return errno == EAGAIN;
    if (c->tls)
        return n > 0 && floor_tls_received(c, buf, (size_t)n);
    f = floor_find(buf, (size_t)n);
    return f && floor_answer(c, f);
}

static bool on_event(struct floor_conn *c, uint32_t events)
{
    if (c->file && !floor_continue(c))
        return false;
    return c->file || !(events & EPOLLIN) || on_readable(c);
}

int floor_epoll(int listener)
{
    struct epoll_event events[EVENTS];
    struct epoll_event ev = {.events = EPOLLIN};
    int ep = epoll_create1(EPOLL_CLOEXEC);

    if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev) < 0)
        return errno;
    for (;;) {
        int n = epoll_wait(ep, events, EVENTS, -1);

        if (n < 0 && errno != EINTR)
            return errno;
        floor_tick();
        for (int i = 0; i < n; i++) {
            struct floor_conn *c = events[i].data.ptr;

            if (!c)
                accept_all(ep, listener);
            else if (!on_event(c, events[i].events))
                floor_conn_free(c);
        }
    }
}
