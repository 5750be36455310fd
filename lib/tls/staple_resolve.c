// SPDX-License-Identifier: Apache-2.0
#include "lib/tls/staple_resolve_priv.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/compiler.h"

// Of the thread and of the one who waits for it; the last one frees it.
struct lookup {
    atomic_int users;
    atomic_bool done;
    int done_fd;
    int error; // of getaddrinfo(3); with `found` valid when done
    struct addrinfo *found;
    char *host, *port;
};

int64_t staple_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int staple_wait(int fd, short events, int64_t deadline_ms, int cancel_fd)
{
    struct pollfd fds[] = {{fd, events, 0}, {cancel_fd, POLLIN, 0}};
    int64_t left;
    int n;

    do {
        left = min_of(deadline_ms - staple_now_ms(), INT_MAX);
        n = poll(fds, 2, left <= 0 ? 0 : (int)left);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    if (n == 0)
        return -ETIMEDOUT;
    return fds[1].revents != 0 ? -ECANCELED : 0;
}

static int look_up(const char *host, const char *port, int flags, struct addrinfo **found)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};

    return getaddrinfo(host, port, &hints, found);
}

static void lookup_leave(struct lookup *l)
{
    if (atomic_fetch_sub(&l->users, 1) > 1)
        return;
    if (l->found != NULL)
        freeaddrinfo(l->found);
    if (l->done_fd >= 0)
        close(l->done_fd);
    free(l->host);
    free(l->port);
    free(l);
}

static void *lookup_run(void *arg)
{
    struct lookup *l = arg;

    l->error = look_up(l->host, l->port, 0, &l->found);
    atomic_store(&l->done, true);
    eventfd_write(l->done_fd, 1);
    lookup_leave(l);
    return NULL;
}

static struct lookup *lookup_start(const char *host, const char *port)
{
    struct lookup *l = calloc(1, sizeof(*l));
    pthread_t thread;

    if (l == NULL)
        return NULL;
    atomic_init(&l->users, 2);
    l->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->host = strdup(host);
    l->port = strdup(port);
    if (l->done_fd >= 0 && l->host != NULL && l->port != NULL &&
        pthread_create(&thread, NULL, lookup_run, l) == 0) {
        pthread_detach(thread);
        return l;
    }
    atomic_store(&l->users, 1);
    lookup_leave(l);
    return NULL;
}

int staple_resolve(const char *host, const char *port, int64_t deadline_ms, int cancel_fd,
                   struct addrinfo **found, int *error)
{
    struct lookup *l;
    int rc;

    if (look_up(host, port, AI_NUMERICHOST, found) == 0)
        return 0;
    l = lookup_start(host, port);
    if (l == NULL)
        return -ENOMEM;
    rc = staple_wait(l->done_fd, POLLIN, deadline_ms, cancel_fd);
    if (rc == 0 && atomic_load(&l->done)) {
        *error = l->error;
        rc = l->error == 0 ? 0 : l->error == EAI_MEMORY ? -ENOMEM : -EIO;
        *found = rc == 0 ? l->found : NULL;
        l->found = NULL;
    }
    lookup_leave(l);
    return rc;
}
