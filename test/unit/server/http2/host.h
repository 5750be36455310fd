// SPDX-License-Identifier: Apache-2.0
//
// A worker that is nobody's: a real ring, a configuration from text, files to serve, and sockets
// that nobody reads. What connections send is kept in memory instead, as much of it at once as a
// test wants, and files are in the page cache only where a test wants it. Knows no test framework:
// the unit tests and the fuzz target share it.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/log.h"
#include "lib/base/sys.h"
#include "server/config/config.h"
#include "server/config/http_conf.h"
#include "server/http2/http2.h"
#include "server/http2/http2_priv.h"
#include "server/process/stats.h"
#include "server/request/request.h"
#include "server/worker.h"

static struct host {
    char dir[64];
    struct config *config;
    struct worker *worker;
    struct stats *stats;
    struct log_sink sink;
    char log[8192];      // what was logged last
    size_t nlog;
    uint64_t connections;
    size_t room;         // bytes that the socket still takes
    char *wire;          // what it took
    size_t nwire, cap;
    bool cold_opens;     // no name is in the kernel's cache
    unsigned cold_reads; // of 100 looks at pages, so many find none
    unsigned seed;
} host;

static inline unsigned host_random(unsigned below)
{
    host.seed = host.seed * 1103515245u + 12345u;
    return (host.seed >> 8) % below;
}

static inline uint8_t host_byte(uint64_t size, uint64_t at)
{
    return (uint8_t)(at * 31 + at / 251 + size);
}

static inline ssize_t host_send(int fd, const void *p, size_t n, int flags)
{
    (void)fd;
    (void)flags;
    if (host.room == 0) {
        errno = EAGAIN;
        return -1;
    }
    n = min_of(n, host.room);
    host.room -= host.room == SIZE_MAX ? 0 : n;
    if (host.nwire + n > host.cap) {
        host.cap = (host.nwire + n) * 2;
        host.wire = realloc(host.wire, host.cap);
        check(host.wire != NULL);
    }
    memcpy(host.wire + host.nwire, p, n);
    host.nwire += n;
    return (ssize_t)n;
}

static inline int host_openat2(int dir, const char *path, struct open_how *how, size_t size)
{
    if (host.cold_opens && (how->resolve & RESOLVE_CACHED) != 0) {
        errno = EAGAIN;
        return -1;
    }
    return sys_default.openat2(dir, path, how, size);
}

static inline ssize_t host_preadv2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
    if (flags != 0 && host_random(100) < host.cold_reads) {
        errno = EAGAIN;
        return -1;
    }
    return sys_default.preadv2(fd, iov, n, off, host.cold_reads == 0 ? flags : 0);
}

static inline void host_log(struct log_sink *sink, enum log_level level, const char *line, size_t n)
{
    (void)sink;
    (void)level;
    n = min_of(n, sizeof(host.log) / 2 - 1);
    if (host.nlog + n >= sizeof(host.log))
        host.nlog = 0;
    memcpy(host.log + host.nlog, line, n);
    host.nlog += n;
    host.log[host.nlog] = '\0';
}

// Its name is its size.
static inline void host_file(uint64_t size)
{
    char path[128], *bytes = malloc(size + 1);

    check(bytes != NULL);
    for (uint64_t i = 0; i < size; i++)
        bytes[i] = (char)host_byte(size, i);
    snprintf(path, sizeof(path), "%s/%llu", host.dir, (unsigned long long)size);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    check(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
    free(bytes);
}

// `server` goes into a server block whose root are the files. All of it is in the page cache, and
// the socket takes everything, until a test says otherwise.
void host_open(const char *server, const uint64_t *sizes, size_t nsizes);
// Checks that nothing is left of any connection, and frees everything.
void host_close(void);
// The server's end of a connection at the first address. `peer` is the other, to be closed by the
// test; nothing need be read from it.
struct conn *host_connect(int *peer);
// Bytes that came from the client. False when the connection takes no more.
bool host_receive(struct conn *c, const void *bytes, size_t n);
// Is it there still? `number`: conn.number.
bool host_has(uint64_t number);
// Parks what can be parked of its streams. How many.
unsigned host_park(struct conn *c);
// Turns of the loop, until nothing moves any more.
void host_turn(void);
// Turns of the loop, until a connection that was closed has gone with all that it has under way.
void host_wait(uint64_t number);
