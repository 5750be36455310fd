// SPDX-License-Identifier: Apache-2.0
//
// The floor: a stripped responder that does only what the kernel interface demands to give the
// same answers as a web server: one thread, keep-alive HTTP/1.1, a response header of the usual
// size, a body read from the file for each request. It parses nothing beyond the request line,
// knows only the files it was started with, and handles neither pipelining nor errors. A server
// divided by this floor says what is still wasted.
//
// The defaults are the cheapest of what was tried, in microseconds of CPU per request (medians of
// five rounds of one run, kernel 6.18, 32 connections):
//
//   loop, body                    1 KiB  10 KiB  100 KiB  1 MiB
//   epoll, pread + send           6.0    7.2     19.2     146
//   epoll, send + sendfile        6.0    7.2     23.8     93
//   io_uring recv, pread + send   6.1    7.2     19.1     149
//   io_uring, send + sendfile     6.1    7.2     21.4     100
//   io_uring, send queued         6.1    7.1     19.0     146
//
// On a loopback the loop hardly matters; TCP itself is nearly all of it.
// Without MSG_MORE before the sendfile the server's share falls (in one run from 21 to 17 us at
// 100 KiB, from 91 to 75 at 1 MiB), but the client's rises by as much or more (21 to 25, 244 to
// 466) and throughput at 1 MiB halves: acknowledgements then drive the sending, in soft
// interrupts charged to the client. That is a shift and no saving, so it is not the default.
#include "bench/floor_priv.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct floor_options floor_opt = {
    .port = 8199,
    .root = ".",
    .uring = true,
    .batch = true,
    .more = true,
    .copy_limit = 128 * 1024,
};

static struct floor_file files[FLOOR_MAX_FILES];
static size_t file_count;
static char *copy_buffer;

static void http_date(char *out, size_t size, time_t when)
{
    struct tm tm;

    gmtime_r(&when, &tm);
    strftime(out, size, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

// The header has the fields, and the length to a byte or two, of the servers it is compared with.
static void make_head(struct floor_file *f, const struct stat *st)
{
    char now[64];
    char modified[64];
    int n;

    http_date(now, sizeof(now), time(NULL));
    http_date(modified, sizeof(modified), st->st_mtime);
    n = snprintf(f->head, sizeof(f->head),
                 "HTTP/1.1 200 OK\r\n"
                 "Server: floor/1.22.1\r\n"
                 "Date: %s\r\n"
                 "Content-Type: application/octet-stream\r\n"
                 "Content-Length: %lld\r\n"
                 "Last-Modified: %s\r\n"
                 "Connection: keep-alive\r\n"
                 "ETag: \"%llx-%llx\"\r\n"
                 "Accept-Ranges: bytes\r\n\r\n",
                 now, (long long)st->st_size, modified, (long long)st->st_mtime,
                 (long long)st->st_size);
    f->head_len = (size_t)n;
    f->date_at = (size_t)(strstr(f->head, "Date: ") + strlen("Date: ") - f->head);
}

static int add_file(int dir, const char *name)
{
    struct floor_file *f = &files[file_count];
    struct stat st;

    f->fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0)
        return -errno;
    if (fstat(f->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(f->fd);
        return 0;
    }
    f->size = st.st_size;
    f->line_len = (size_t)snprintf(f->line, sizeof(f->line), "GET /%s ", name);
    if (f->line_len >= sizeof(f->line))
        return -ENAMETOOLONG;
    make_head(f, &st);
    file_count++;
    return 0;
}

static int add_files(const char *root)
{
    DIR *dir = opendir(root);
    int rc = 0;

    if (!dir)
        return -errno;
    for (struct dirent *e; rc == 0 && file_count < FLOOR_MAX_FILES && (e = readdir(dir));)
        if (e->d_name[0] != '.')
            rc = add_file(dirfd(dir), e->d_name);
    closedir(dir);
    return rc;
}

const struct floor_file *floor_find(const char *req, size_t len)
{
    for (size_t i = 0; i < file_count; i++)
        if (len > files[i].line_len && memcmp(req, files[i].line, files[i].line_len) == 0)
            return &files[i];
    return NULL;
}

void floor_tick(void)
{
    static time_t last;
    struct timespec now;
    char date[64];

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec == last)
        return;
    last = now.tv_sec;
    http_date(date, sizeof(date), last);
    for (size_t i = 0; i < file_count; i++)
        memcpy(files[i].head + files[i].date_at, date, strlen(date));
}

ssize_t floor_compose(char *out, const struct floor_file *f)
{
    ssize_t n;

    memcpy(out, f->head, f->head_len);
    n = pread(f->fd, out + f->head_len, (size_t)f->size, 0);
    return n == f->size ? (ssize_t)f->head_len + n : -1;
}

bool floor_continue(struct floor_conn *c)
{
    if (c->tls)
        return floor_tls_continue(c);
    while (c->sent < c->file->size) {
        size_t left = (size_t)(c->file->size - c->sent);

        if (sendfile(c->fd, c->file->fd, &c->sent, left) <= 0)
            return errno == EAGAIN;
    }
    c->file = NULL;
    return true;
}

// All connections share the buffer, so that it stays in the CPU's cache between read and send.
// When not all of a copied answer fits the socket, sendfile does the rest; a header that does not
// fit into an empty socket is given up, since no sane socket buffer is that small.
static bool answer_by_copy(struct floor_conn *c, const struct floor_file *f)
{
    ssize_t len = floor_compose(copy_buffer, f);
    ssize_t n;

    if (len < 0)
        return false;
    n = send(c->fd, copy_buffer, (size_t)len, MSG_NOSIGNAL);
    if (n == len)
        return true;
    if (n < (ssize_t)f->head_len)
        return false;
    c->file = f;
    c->sent = n - (ssize_t)f->head_len;
    return floor_continue(c);
}

bool floor_answer(struct floor_conn *c, const struct floor_file *f)
{
    int flags = MSG_NOSIGNAL | (floor_opt.more ? MSG_MORE : 0);

    if (f->size <= floor_opt.copy_limit)
        return answer_by_copy(c, f);
    if (send(c->fd, f->head, f->head_len, flags) != (ssize_t)f->head_len)
        return false;
    c->file = f;
    c->sent = 0;
    return floor_continue(c);
}

struct floor_conn *floor_conn_new(int fd)
{
    struct floor_conn *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->fd = fd;
    // An answer over TLS is never queued.
    if (floor_opt.pem)
        c->tls = floor_tls_new();
    else
        c->out = malloc(FLOOR_HEAD + FLOOR_QUEUED);
    if (!c->out && !c->tls) {
        free(c);
        return NULL;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return c;
}

void floor_conn_free(struct floor_conn *c)
{
    close(c->fd);
    free(c->out);
    floor_tls_free(c->tls);
    free(c);
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 && listen(fd, 4096) == 0)
        return fd;
    rc = -errno;
    close(fd);
    return rc;
}

static bool parse_options(int argc, char **argv)
{
    int o;

    while ((o = getopt(argc, argv, "Mp:r:c:l:S:C:")) != -1) {
        if (o == 'p')
            floor_opt.port = (uint16_t)atoi(optarg);
        else if (o == 'r')
            floor_opt.root = optarg;
        else if (o == 'c')
            floor_opt.copy_limit = atoll(optarg);
        else if (o == 'S')
            floor_opt.pem = optarg;
        else if (o == 'C')
            floor_opt.ciphersuites = optarg;
        else if (o == 'M')
            floor_opt.more = false;
        else if (o == 'l') {
            floor_opt.batch = strcmp(optarg, "batch") == 0;
            floor_opt.uring = floor_opt.batch || strcmp(optarg, "uring") == 0;
        } else
            return false;
    }
    return optind == argc;
}

int main(int argc, char **argv)
{
    int listener;
    int rc;

    if (!parse_options(argc, argv)) {
        fprintf(stderr, "usage: floor [-p port] [-r root] [-c copy-limit] [-M]"
                        " [-l epoll|uring|batch] [-S pem [-C ciphersuites]]\n");
        return 2;
    }
    if (floor_opt.pem && !floor_tls_init(floor_opt.pem, floor_opt.ciphersuites)) {
        ERR_print_errors_fp(stderr);
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    copy_buffer = malloc(FLOOR_HEAD + (size_t)floor_opt.copy_limit);
    rc = copy_buffer ? 0 : -ENOMEM;
    if (rc == 0)
        rc = add_files(floor_opt.root);
    if (rc < 0) {
        fprintf(stderr, "floor: %s: %s\n", floor_opt.root, strerror(-rc));
        return 1;
    }
    listener = listen_on(floor_opt.port);
    if (listener < 0) {
        fprintf(stderr, "floor: port %u: %s\n", floor_opt.port, strerror(-listener));
        return 1;
    }
    rc = floor_opt.uring ? floor_uring(listener) : floor_epoll(listener);
    fprintf(stderr, "floor: %s\n", strerror(rc));
    return 1;
}
