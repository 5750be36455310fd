// SPDX-License-Identifier: Apache-2.0
//
// A client that makes TLS connections one after another, some at a time: TCP, handshake, one GET,
// close_notify, close. It counts those whose answer was complete. With -r all of them resume one
// session, and a handshake that was a full one after all is an error. With -f it is an attacker:
// the same ClientHello again and again, whose answer costs the server a key exchange and a
// signature and the client nothing, and a reset as soon as that answer begins.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNS = 1024, EVENTS = 128, BUF = 16 * 1024, HELLO_MAX = 4096, ERRORS_MAX = 1000 };

struct client {
    int fd;
    SSL *ssl;       // NULL: a flood
    bool connected; // the handshake is done and the request sent
    size_t got, want; // bytes of the answer, of the whole answer; want 0: its head is not there yet
};

static struct {
    uint16_t port;
    const char *path, *groups, *ciphersuites;
    int conns;
    double seconds;
    bool resume, flood;
} opt = {.path = "/", .groups = "P-256", .conns = 32, .seconds = 5};

static struct client clients[MAX_CONNS];
static SSL_CTX *ctx;
static SSL_SESSION *session; // of the first connection, with -r
static char request[512], hello[HELLO_MAX], buf[BUF];
static size_t hello_len;
static unsigned long done, resumed, errors;
static char cipher[64];
static bool resuming; // from now on a full handshake is an error
static int ep, alive;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int connect_socket(int flags)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons(opt.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

    if (fd < 0)
        return -errno;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 || errno == EINPROGRESS)
        return fd;
    int rc = -errno;
    close(fd);
    return rc;
}

static void end(struct client *c)
{
    // Freed without this in the middle of something, it would make the session of no more use.
    if (c->ssl)
        SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(c->ssl);
    close(c->fd);
    alive--;
    *c = (struct client){.fd = -1};
}

static void fail(struct client *c, const char *what)
{
    if (errors++ == 0) {
        fprintf(stderr, "handshakes: %s\n", what);
        ERR_print_errors_fp(stderr);
    }
    ERR_clear_error();
    end(c);
}

static bool begin_tls(struct client *c)
{
    c->ssl = SSL_new(ctx);
    if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
        return false;
    SSL_set_connect_state(c->ssl);
    return !session || SSL_set_session(c->ssl, session) == 1;
}

static void open_one(struct client *c)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};

    c->fd = connect_socket(SOCK_NONBLOCK);
    if (c->fd < 0) {
        errors++;
        return;
    }
    alive++;
    // What is reset leaves no TIME_WAIT behind; a connection that was closed in order may.
    if (opt.flood)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    if ((!opt.flood && !begin_tls(c)) || epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev) < 0)
        fail(c, "no memory for a connection");
}

// The head of an answer is expected in its first record, as all the servers here send it.
static size_t answer_size(size_t n)
{
    char *end_of_head = memmem(buf, n, "\r\n\r\n", 4);

    if (!end_of_head || strncmp(buf, "HTTP/1.1 200 ", 13) != 0)
        return 0;
    *end_of_head = '\0';
    char *field = strcasestr(buf, "\r\nContent-Length:");
    return field ? (size_t)(end_of_head + 4 - buf) + strtoul(field + 17, NULL, 10) : 0;
}

static void finish(struct client *c)
{
    done++;
    resumed += (unsigned long)SSL_session_reused(c->ssl);
    if (!cipher[0])
        snprintf(cipher, sizeof(cipher), "%s", SSL_get_cipher_name(c->ssl));
    if (opt.resume && !session)
        session = SSL_get1_session(c->ssl);
    SSL_shutdown(c->ssl);
    end(c);
}

// 1 when the answer is complete, 0 when more must come, -1 when it is wrong.
static int read_answer(struct client *c)
{
    int n;

    while ((n = SSL_read(c->ssl, buf, sizeof(buf) - 1)) > 0) {
        if (c->got == 0)
            c->want = answer_size((size_t)n);
        c->got += (size_t)n;
        if (c->want == 0 || c->got > c->want)
            return -1;
        if (c->got == c->want)
            return 1;
    }
    return SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ ? 0 : -1;
}

static bool handshake(struct client *c)
{
    int rc = SSL_do_handshake(c->ssl);

    if (rc != 1)
        return SSL_get_error(c->ssl, rc) == SSL_ERROR_WANT_READ ||
               SSL_get_error(c->ssl, rc) == SSL_ERROR_WANT_WRITE;
    c->connected = true;
    return SSL_write(c->ssl, request, (int)strlen(request)) > 0;
}

static void on_tls(struct client *c)
{
    if (!c->connected && !handshake(c)) {
        fail(c, "a handshake failed");
        return;
    }
    int rc = c->connected ? read_answer(c) : 0;
    if (rc < 0)
        fail(c, "a wrong answer");
    else if (rc > 0 && resuming && !SSL_session_reused(c->ssl))
        fail(c, "a session was not resumed");
    else if (rc > 0)
        finish(c);
}

static void on_flood(struct client *c, uint32_t events)
{
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
        fail(c, "a connection of the flood was refused");
    } else if ((events & EPOLLIN) != 0) {
        done++;
        end(c);
    } else if (!c->connected) {
        c->connected = true;
        if (send(c->fd, hello, hello_len, MSG_NOSIGNAL) != (ssize_t)hello_len)
            fail(c, "a ClientHello was not taken");
    }
}

static void turn(double until)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(ep, events, EVENTS, 100);

    for (int i = 0; i < n; i++) {
        struct client *c = events[i].data.ptr;

        if (opt.flood)
            on_flood(c, events[i].events);
        else
            on_tls(c);
        if (c->fd < 0 && now() < until)
            open_one(c);
    }
}

// No new ones after `until`, but those that have begun get a second: what the server spent on them
// is to be counted.
static void run(int conns, double until)
{
    for (int i = 0; i < conns; i++)
        open_one(&clients[i]);
    while (alive > 0 && now() < until + 1 && errors < ERRORS_MAX)
        turn(until);
    for (int i = 0; i < conns; i++)
        if (clients[i].fd >= 0)
            end(&clients[i]);
}

// The session that all others resume: one connection's, which may take its time.
static bool get_session(void)
{
    run(1, now());
    done = resumed = 0;
    resuming = true;
    return session != NULL;
}

// What OpenSSL would send first.
static bool make_hello(void)
{
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

    if (!ssl || !in || !out)
        return false;
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    SSL_do_handshake(ssl);
    int n = BIO_read(out, hello, sizeof(hello));
    SSL_free(ssl);
    hello_len = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static bool set_up(void)
{
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", opt.path);
    ctx = SSL_CTX_new(TLS_client_method());
    ep = epoll_create1(EPOLL_CLOEXEC);
    if (!ctx || ep < 0 || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set1_groups_list(ctx, opt.groups) != 1 ||
        (opt.ciphersuites && SSL_CTX_set_ciphersuites(ctx, opt.ciphersuites) != 1))
        return false;
    // Caching, OpenSSL would use a session of TLS 1.3 once.
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    return opt.flood ? make_hello() : !opt.resume || get_session();
}

static bool parse_options(int argc, char **argv)
{
    int o;

    while ((o = getopt(argc, argv, "p:u:c:s:g:C:rf")) != -1) {
        if (o == 'p')
            opt.port = (uint16_t)atoi(optarg);
        else if (o == 'u')
            opt.path = optarg;
        else if (o == 'c')
            opt.conns = atoi(optarg);
        else if (o == 's')
            opt.seconds = atof(optarg);
        else if (o == 'g')
            opt.groups = optarg;
        else if (o == 'C')
            opt.ciphersuites = optarg;
        else if (o == 'r')
            opt.resume = true;
        else if (o == 'f')
            opt.flood = true;
        else
            return false;
    }
    return optind == argc && opt.conns > 0 && opt.conns <= MAX_CONNS;
}

int main(int argc, char **argv)
{
    if (!parse_options(argc, argv)) {
        fprintf(stderr, "usage: handshakes -p port [-u path] [-c connections] [-s seconds]"
                        " [-g groups] [-C ciphersuites] [-r | -f]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (!set_up()) {
        fprintf(stderr, "handshakes: cannot begin%s\n", opt.resume ? ": no session" : "");
        ERR_print_errors_fp(stderr);
        return 1;
    }
    double begin = now();
    run(opt.conns, begin + opt.seconds);
    printf("{\"handshakes\": %lu, \"resumed\": %lu, \"errors\": %lu, \"seconds\": %.3f,"
           " \"cipher\": \"%s\"}\n",
           done, resumed, errors, now() - begin, cipher);
    SSL_SESSION_free(session);
    SSL_CTX_free(ctx);
    return 0;
}
