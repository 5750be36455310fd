// SPDX-License-Identifier: Apache-2.0
//
// One request over a socket that never blocks, under one deadline.
#include "lib/tls/staple_http_priv.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/http.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/sv.h"
#include "lib/tls/staple_reply_priv.h"
#include "lib/tls/staple_resolve_priv.h"
#include "lib/tls/stapling.h"

struct exchange {
    int fd, cancel_fd;
    int64_t deadline_ms; // CLOCK_MONOTONIC
    char *received;      // TLS_STAPLE_RECEIVE_MAX bytes
    size_t n;
    char *why;
};

// Blanks and control characters would end the request line early.
static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text <= ' ' || *text == 0x7f)
            return false;
    }
    return true;
}

int staple_url_parse(const char *text, struct staple_url *url)
{
    int ssl = 0, number, ok;
    char *user = NULL, *fragment = NULL;

    memset(url, 0, sizeof(*url));
    if (strncasecmp(text, "http://", 7) != 0 || !is_plain(text))
        return -EINVAL;
    ok = OSSL_HTTP_parse_url(text + 7, &ssl, &user, &url->host, &url->port, &number, &url->path,
                             &url->query, &fragment);
    ERR_clear_error();
    OPENSSL_free(user);
    OPENSSL_free(fragment);
    if (ok && url->host[0] != '\0')
        return 0;
    staple_url_free(url);
    return -EINVAL;
}

void staple_url_free(struct staple_url *url)
{
    OPENSSL_free(url->host);
    OPENSSL_free(url->port);
    OPENSSL_free(url->path);
    OPENSSL_free(url->query);
    memset(url, 0, sizeof(*url));
}

static int say_errno(struct exchange *e, const char *what, int err)
{
    char text[128];

    snprintf(e->why, TLS_ERROR_MAX, "%s failed (%d: %s)", what, err,
             strerror_r(err, text, sizeof(text)));
    return -EIO;
}

static int say(struct exchange *e, const char *what)
{
    snprintf(e->why, TLS_ERROR_MAX, "%s", what);
    return -EIO;
}

static int timed_out(struct exchange *e)
{
    say(e, "OCSP responder timed out");
    return -ETIMEDOUT;
}

static int wait_for(struct exchange *e, short events)
{
    int rc = staple_wait(e->fd, events, e->deadline_ms, e->cancel_fd);

    if (rc == 0 || rc == -ECANCELED)
        return rc;
    return rc == -ETIMEDOUT ? timed_out(e) : say_errno(e, "poll()", -rc);
}

static int exchange_connect(struct exchange *e, const struct addrinfo *to)
{
    socklen_t size = sizeof(int);
    int err = 0, rc;

    e->fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (e->fd < 0)
        return say_errno(e, "socket()", errno);
    if (connect(e->fd, to->ai_addr, to->ai_addrlen) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return say_errno(e, "connect()", errno);
    rc = wait_for(e, POLLOUT);
    if (rc != 0)
        return rc;
    if (getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &err, &size) != 0)
        err = errno;
    return err == 0 ? 0 : say_errno(e, "connect()", err);
}

static int exchange_send(struct exchange *e, struct sv request)
{
    while (request.n > 0) {
        ssize_t sent = send(e->fd, request.p, request.n, MSG_NOSIGNAL);
        int rc = 0;

        if (sent >= 0)
            request = sv_skip(request, (size_t)sent);
        else if (errno == EAGAIN)
            rc = wait_for(e, POLLOUT);
        else if (errno != EINTR)
            rc = say_errno(e, "send()", errno);
        if (rc != 0)
            return rc;
    }
    return 0;
}

// -EAGAIN when there is more to wait for.
static int exchange_receive(struct exchange *e)
{
    int rc = wait_for(e, POLLIN);
    ssize_t n;

    if (rc != 0)
        return rc;
    if (e->n == TLS_STAPLE_RECEIVE_MAX)
        return say(e, "OCSP responder sent too much");
    n = recv(e->fd, e->received + e->n, TLS_STAPLE_RECEIVE_MAX - e->n, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? -EAGAIN : say_errno(e, "recv()", errno);
    if (n == 0)
        return say(e, "OCSP responder prematurely closed connection");
    e->n += (size_t)n;
    return 0;
}

static int exchange_reply(struct exchange *e, struct sv *body)
{
    char why[STAPLE_WHY_MAX];
    int rc;

    do {
        rc = exchange_receive(e);
        if (rc == 0)
            rc = staple_reply_parse(sv_of(e->received, e->n), body, why);
        if (rc == -EINVAL)
            return say(e, why);
    } while (rc == -EAGAIN);
    return rc;
}

static int ask_address(struct exchange e, const struct addrinfo *to, struct sv request,
                       unsigned char **body, size_t *n)
{
    struct sv view = {0};
    int rc;

    e.received = malloc(TLS_STAPLE_RECEIVE_MAX);
    rc = e.received == NULL ? -ENOMEM : exchange_connect(&e, to);
    if (rc == 0)
        rc = exchange_send(&e, request);
    if (rc == 0)
        rc = exchange_reply(&e, &view);
    if (e.fd >= 0)
        close(e.fd);
    if (rc != 0) {
        free(e.received);
        return rc;
    }
    memmove(e.received, view.p, view.n);
    *body = (unsigned char *)e.received;
    *n = view.n;
    return 0;
}

// malloc; p is NULL when memory is out.
static struct sv make_request(const struct staple_url *url, const char *target)
{
    bool v6 = strchr(url->host, ':') != NULL, port = strcmp(url->port, "80") != 0;
    char *text;
    int n = asprintf(&text, "GET %s HTTP/1.0\r\nHost: %s%s%s%s%s\r\n\r\n", target,
                     v6 ? "[" : "", url->host, v6 ? "]" : "", port ? ":" : "",
                     port ? url->port : "");

    return n < 0 ? (struct sv){0} : sv_of(text, (size_t)n);
}

static int resolve(struct exchange *e, const struct staple_url *url, struct addrinfo **found)
{
    int error, rc = staple_resolve(url->host, url->port, e->deadline_ms, e->cancel_fd, found,
                                   &error);

    if (rc == -ETIMEDOUT)
        snprintf(e->why, TLS_ERROR_MAX, "\"%.255s\" could not be resolved in time", url->host);
    if (rc == -EIO)
        snprintf(e->why, TLS_ERROR_MAX, "host not found in OCSP responder \"%.255s\" (%s)",
                 url->host, gai_strerror(error));
    return rc;
}

static int ask_all(const struct exchange *all, const struct addrinfo *found, struct sv request,
                   unsigned char **body, size_t *n)
{
    int left = 0, rc = -EIO;

    for (const struct addrinfo *to = found; to != NULL; to = to->ai_next)
        left++;
    for (const struct addrinfo *to = found; to != NULL && rc != 0; to = to->ai_next, left--) {
        // An address that does not answer leaves their share of the time to the others.
        int64_t now = staple_now_ms();
        struct exchange e = *all;

        if (e.deadline_ms > now)
            e.deadline_ms = now + (e.deadline_ms - now) / left;
        rc = ask_address(e, to, request, body, n);
        if (rc == -ECANCELED || rc == -ENOMEM)
            break;
    }
    return rc;
}

int staple_http_get(const struct staple_url *url, const char *target, int timeout_s, int cancel_fd,
                    unsigned char **body, size_t *n, char *why)
{
    struct exchange e = {.fd = -1, .cancel_fd = cancel_fd, .why = why,
                         .deadline_ms = staple_now_ms() + (int64_t)timeout_s * 1000};
    struct sv request = make_request(url, target);
    struct addrinfo *found = NULL;
    int rc = request.p == NULL ? -ENOMEM : resolve(&e, url, &found);

    if (rc == 0) {
        rc = ask_all(&e, found, request, body, n);
        freeaddrinfo(found);
    }
    free((char *)request.p);
    return rc;
}
