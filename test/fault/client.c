// SPDX-License-Identifier: Apache-2.0
#include "test/fault/client.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/compiler.h"
#include "test/fault/fixture.h"
#include "test/fault/tls_client.h"

int client_open_with(int rcvbuf)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                               .sin_port = htons(fixture_port())};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_geq(fd, 0);
    if (rcvbuf != 0)
        cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)), 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0, "%s", strerror(errno));
    fixture_connected();
    return fd;
}

int client_open(void)
{
    return client_open_with(0);
}

void client_send_n(int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return; // the server may close before it has read everything
        data += sent;
        n -= (size_t)sent;
    }
}

void client_send(int fd, const char *text)
{
    client_send_n(fd, text, strlen(text));
}

void client_wait(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};

    cr_assert_eq(poll(&p, 1, CLIENT_WAIT_MS), 1, "the server neither answers nor closes");
}

struct bytes client_read(int fd, size_t most)
{
    struct bytes b = {.p = malloc(1)};
    size_t cap = 1;

    while (b.n < most) {
        if (b.n == cap) {
            cap = cap < 4096 ? 4096 : cap * 2;
            b.p = realloc(b.p, cap);
        }
        client_wait(fd);
        ssize_t n = recv(fd, b.p + b.n, min_of(cap - b.n, most - b.n), 0);
        b.reset = n < 0;
        if (n <= 0)
            break;
        b.n += (size_t)n;
    }
    return b;
}

struct bytes client_read_all(int fd)
{
    return client_read(fd, (size_t)-1);
}

size_t client_drain(int fd)
{
    struct bytes b = client_read_all(fd);

    bytes_free(&b);
    return b.n;
}

void client_close(int fd)
{
    close(fd);
}

void client_leave(int fd, unsigned how)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};

    if (how % 2 != 0)
        cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    close(fd);
}

static struct bytes fetch_plain(const char *request)
{
    int fd = client_open();

    client_send(fd, request);
    struct bytes b = client_read_all(fd);
    client_close(fd);
    return b;
}

static struct bytes fetch_tls(const char *request)
{
    struct tls_client c;
    struct bytes b = {.unclean = true};

    tls_client_begin(&c, client_open());
    if (tls_client_handshake(&c)) {
        tls_client_send(&c, request);
        b = tls_client_read_all(&c);
    }
    tls_client_close(&c);
    return b;
}

struct bytes client_fetch(const char *request)
{
    struct bytes b = fixture_tls() != FIXTURE_PLAIN ? fetch_tls(request) : fetch_plain(request);

    if (b.n != 0)
        bytes_normalise(&b);
    return b;
}

static char *find(const struct bytes *b, size_t from, const char *text)
{
    return memmem(b->p + from, b->n - from, text, strlen(text));
}

static void normalise_boundary(struct bytes *b, char *after)
{
    char boundary[21];

    if ((size_t)(b->p + b->n - after) < 20)
        return;
    memcpy(boundary, after, 20);
    boundary[20] = '\0';
    for (char *at; (at = find(b, (size_t)(after - b->p), boundary)) != NULL; after = at + 20)
        memset(at, '=', 20);
}

void bytes_normalise(struct bytes *b)
{
    static const char date[] = "Date: Thu, 01 Jan 1970 00:00:00 GMT";
    size_t n = sizeof(date) - 1;
    char *at;

    for (size_t from = 0; (at = find(b, from, "\r\nDate: ")) != NULL;) {
        from = (size_t)(at + 2 - b->p);
        memcpy(at + 2, date, min_of(n, b->n - from));
    }
    for (size_t from = 0; (at = find(b, from, "boundary=")) != NULL;) {
        from = (size_t)(at + 9 - b->p);
        normalise_boundary(b, at + 9);
    }
}

void bytes_free(struct bytes *b)
{
    free(b->p);
    b->p = NULL;
}

void bytes_expect_prefix(const struct bytes *got, const struct bytes *expected, const char *what)
{
    size_t same = 0;

    cr_assert_leq(got->n, expected->n, "%s: %zu bytes, at most %zu expected", what, got->n,
                  expected->n);
    while (same < got->n && got->p[same] == expected->p[same])
        same++;
    size_t from = same > 60 ? same - 60 : 0;
    cr_assert_eq(same, got->n, "%s: byte %zu of %zu differs:\n%.*s\nexpected:\n%.*s", what, same,
                 got->n, (int)min_of(got->n - from, 160), got->p + from,
                 (int)min_of(expected->n - from, 160), expected->p + from);
}

void bytes_expect(const struct bytes *got, const struct bytes *expected, const char *what)
{
    bytes_expect_prefix(got, expected, what);
    cr_assert_eq(got->n, expected->n, "%s: ends after %zu of %zu bytes", what, got->n,
                 expected->n);
}
