// SPDX-License-Identifier: Apache-2.0
//
// An OCSP responder on loopback that answers one connection as the test wants it.
#pragma once

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// `reply` is called when the request has been read.
struct responder {
    int fd, port;
    pthread_t thread;
    char url[128];
    char request[4096];
    void (*reply)(struct responder *r, int fd);
    const char *status, *type; // of reply_der
    unsigned char *der;
    int n;
};

static inline void put(int fd, const void *p, size_t n)
{
    // The client may have given up.
    if (send(fd, p, n, MSG_NOSIGNAL) < 0)
        shutdown(fd, SHUT_RDWR);
}

static inline void reply_der(struct responder *r, int fd)
{
    char head[256];

    put(fd, head, (size_t)snprintf(head, sizeof(head), "HTTP/1.1 %s\r\n%s%s%sServer: x\r\n\r\n",
                                   r->status, r->type != NULL ? "Content-Type: " : "",
                                   r->type != NULL ? r->type : "", r->type != NULL ? "\r\n" : ""));
    put(fd, r->der, (size_t)r->n);
}

static inline void *responder_run(void *arg)
{
    struct responder *r = arg;
    int fd = accept(r->fd, NULL, NULL);
    size_t n = 0;

    while (fd >= 0 && n < sizeof(r->request) - 1 && strstr(r->request, "\r\n\r\n") == NULL) {
        ssize_t got = recv(fd, r->request + n, sizeof(r->request) - 1 - n, 0);

        if (got <= 0)
            break;
        n += (size_t)got;
    }
    if (fd >= 0 && n > 0)
        r->reply(r, fd);
    if (fd >= 0)
        close(fd);
    return NULL;
}

static inline void responder_listen(struct responder *r)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t size = sizeof(addr);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    r->fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert(bind(r->fd, (struct sockaddr *)&addr, size) == 0 && listen(r->fd, 8) == 0);
    cr_assert(getsockname(r->fd, (struct sockaddr *)&addr, &size) == 0);
    r->port = ntohs(addr.sin_port);
    snprintf(r->url, sizeof(r->url), "http://127.0.0.1:%d", r->port);
    r->status = "200 OK";
    r->type = "application/ocsp-response";
    r->reply = reply_der;
}

static inline void responder_start(struct responder *r)
{
    cr_assert(pthread_create(&r->thread, NULL, responder_run, r) == 0);
}

static inline void responder_end(struct responder *r)
{
    shutdown(r->fd, SHUT_RDWR); // wakes accept(2)
    pthread_join(r->thread, NULL);
    close(r->fd);
    OPENSSL_free(r->der);
}
