// SPDX-License-Identifier: Apache-2.0
//
// A client that downloads one large file over TLS again and again, on some connections, and reads
// each of them at a fixed rate, as a player does. It so leaves its CPU to another client beside it:
// what the transfers lose then is the server's doing. A connection may catch up on a twentieth of a
// second; what was missed for longer is lost.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNS = 64, BUF = 64 * 1024, TICK_NS = 1000 * 1000, CATCH_UP = 20 /* in a second */ };

struct client {
    SSL *ssl;
    int fd;
    double credit;         // bytes that may be read now
    size_t got, want;      // bytes of the answer, of the whole answer; want 0: its head is awaited
};

static struct {
    uint16_t port;
    const char *path, *ciphersuites;
    int conns;
    double mib, seconds; // each connection's MiB per second
} opt = {.path = "/", .conns = 4, .mib = 100, .seconds = 5};

static struct client clients[MAX_CONNS];
static char request[512], buf[BUF];
static uint64_t bytes;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool ask(struct client *c)
{
    c->got = c->want = 0;
    return SSL_write(c->ssl, request, (int)strlen(request)) > 0;
}

static bool open_one(struct client *c, SSL_CTX *ctx)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons(opt.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    c->ssl = SSL_new(ctx);
    if (c->fd < 0 || !c->ssl || connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        return false;
    if (SSL_set_fd(c->ssl, c->fd) != 1 || SSL_connect(c->ssl) != 1 || !ask(c))
        return false;
    return fcntl(c->fd, F_SETFL, O_NONBLOCK) == 0;
}

// The head of an answer is expected in its first record, as all the servers here send it.
static bool learn_size(struct client *c, size_t n)
{
    char *end = memmem(buf, n, "\r\n\r\n", 4);

    if (!end || strncmp(buf, "HTTP/1.1 200 ", 13) != 0)
        return false;
    *end = '\0';
    char *field = strcasestr(buf, "\r\nContent-Length:");
    if (field)
        c->want = (size_t)(end + 4 - buf) + strtoul(field + 17, NULL, 10);
    return field != NULL;
}

static bool took(struct client *c, size_t n)
{
    if (c->got == 0 && !learn_size(c, n))
        return false;
    bytes += n;
    c->credit -= (double)n;
    c->got += n;
    return c->got < c->want || (c->got == c->want && ask(c));
}

// False when the connection is lost.
static bool read_some(struct client *c)
{
    while (c->credit >= 1) {
        int n = SSL_read(c->ssl, buf, sizeof(buf) - 1);

        if (n <= 0)
            return SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ;
        if (!took(c, (size_t)n))
            return false;
    }
    return true;
}

static bool run(double begin)
{
    double rate = opt.mib * (1 << 20), last = begin, t;

    while ((t = now()) < begin + opt.seconds) {
        for (int i = 0; i < opt.conns; i++) {
            struct client *c = &clients[i];

            c->credit += (t - last) * rate;
            if (c->credit > rate / CATCH_UP)
                c->credit = rate / CATCH_UP;
            if (!read_some(c))
                return false;
        }
        last = t;
        nanosleep(&(struct timespec){0, TICK_NS}, NULL);
    }
    return true;
}

static bool parse_options(int argc, char **argv)
{
    int o;

    while ((o = getopt(argc, argv, "p:u:c:r:s:C:")) != -1) {
        if (o == 'p')
            opt.port = (uint16_t)atoi(optarg);
        else if (o == 'u')
            opt.path = optarg;
        else if (o == 'c')
            opt.conns = atoi(optarg);
        else if (o == 'r')
            opt.mib = atof(optarg);
        else if (o == 's')
            opt.seconds = atof(optarg);
        else if (o == 'C')
            opt.ciphersuites = optarg;
        else
            return false;
    }
    return optind == argc && opt.conns > 0 && opt.conns <= MAX_CONNS && opt.mib > 0;
}

static int fail(const char *what)
{
    fprintf(stderr, "download: %s\n", what);
    ERR_print_errors_fp(stderr);
    return 1;
}

int main(int argc, char **argv)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (!parse_options(argc, argv)) {
        fprintf(stderr, "usage: download -p port [-u path] [-c connections] [-r MiB-per-second]"
                        " [-s seconds] [-C ciphersuites]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", opt.path);
    if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
        (opt.ciphersuites && SSL_CTX_set_ciphersuites(ctx, opt.ciphersuites) != 1))
        return fail("cannot begin");
    for (int i = 0; i < opt.conns; i++) {
        if (!open_one(&clients[i], ctx))
            return fail("a connection failed");
    }
    double begin = now();
    if (!run(begin))
        return fail("a connection was lost");
    printf("{\"bytes\": %llu, \"seconds\": %.3f}\n", (unsigned long long)bytes, now() - begin);
    return 0;
}
