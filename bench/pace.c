// SPDX-License-Identifier: Apache-2.0
//
// A load client that measures latency at a fixed rate. A client that waits for each answer before
// it asks again hides a server that stalls, because it asks less while it stalls. Here every
// connection has a timetable, and an answer that makes the next request late is charged with it.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNS = 256, MAX_SAMPLES = 4 * 1000 * 1000, EVENTS = 64, BUF = 256 * 1024 };

struct client {
    int fd;
    bool busy;
    uint64_t due;   // ns, when the next request ought to leave
    uint64_t start; // ns, what the latency of the current one counts from
    size_t got;     // bytes of the current answer
    size_t want;    // bytes of the whole answer, 0 until its header is complete
};

static struct {
    uint16_t port;
    const char *path;
    int conns;
    double rate; // requests per second over all connections
    double seconds;
} opt = {.path = "/", .conns = 16, .rate = 1000, .seconds = 5};

static struct client clients[MAX_CONNS];
static uint32_t *samples; // microseconds times ten
static size_t sample_count;
static unsigned long errors;
static char request[512];
static char buf[BUF];

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static int connect_one(struct client *c, int ep)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons(opt.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        return -errno;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev) < 0 ? -errno : 0;
}

// A connection that failed is counted and not opened again: no error is expected at all.
static void fail(struct client *c)
{
    errors++;
    close(c->fd);
    c->fd = -1;
    c->busy = false;
}

static void send_request(struct client *c, uint64_t now, uint64_t interval)
{
    size_t len = strlen(request);

    // Free in time: counted from now, so that our own late wake-up is not the server's.
    // Late because the last answer was: `start` was set to the due time when it came.
    if (!c->start)
        c->start = now;
    c->due += interval;
    c->busy = true;
    c->got = 0;
    c->want = 0;
    if (send(c->fd, request, len, MSG_NOSIGNAL) != (ssize_t)len)
        fail(c);
}

static void finish(struct client *c)
{
    uint64_t now = now_ns();

    if (sample_count < MAX_SAMPLES)
        samples[sample_count++] = (uint32_t)((now - c->start) / 100);
    c->busy = false;
    c->start = c->due <= now ? c->due : 0;
}

// The header of an answer is expected in its first segment, as all the servers here send it.
static size_t answer_size(char *data, size_t n)
{
    char *end = memmem(data, n, "\r\n\r\n", 4);
    char *field;

    if (!end || strncmp(data, "HTTP/1.1 200 ", 13) != 0)
        return 0;
    *end = '\0';
    field = strcasestr(data, "\r\nContent-Length:");
    return field ? (size_t)(end + 4 - data) + strtoul(field + 17, NULL, 10) : 0;
}

static void on_readable(struct client *c)
{
    ssize_t n = recv(c->fd, buf, sizeof(buf) - 1, 0);

    if (n > 0 && c->got == 0)
        c->want = answer_size(buf, (size_t)n);
    if (n <= 0 || c->want == 0 || !c->busy) {
        fail(c);
        return;
    }
    c->got += (size_t)n;
    if (c->got == c->want)
        finish(c);
    else if (c->got > c->want)
        fail(c);
}

static uint64_t send_due(uint64_t interval)
{
    uint64_t next = UINT64_MAX;

    for (int i = 0; i < opt.conns; i++) {
        struct client *c = &clients[i];
        uint64_t now = now_ns();

        if (c->fd < 0 || c->busy)
            continue;
        if (c->due <= now)
            send_request(c, now, interval);
        else if (c->due < next)
            next = c->due;
    }
    return next;
}

static void run(int ep)
{
    uint64_t interval = (uint64_t)(1e9 * opt.conns / opt.rate);
    uint64_t begin = now_ns();
    uint64_t end = begin + (uint64_t)(opt.seconds * 1e9);

    for (int i = 0; i < opt.conns; i++)
        clients[i].due = begin + interval * (uint64_t)i / (uint64_t)opt.conns;
    while (now_ns() < end) {
        struct epoll_event events[EVENTS];
        uint64_t next = send_due(interval);
        uint64_t now = now_ns();
        uint64_t until = next < end ? next : end;
        uint64_t wait = until > now ? until - now : 0;
        struct timespec t = {(time_t)(wait / 1000000000U), (long)(wait % 1000000000U)};
        int n = epoll_pwait2(ep, events, EVENTS, &t, NULL);

        for (int i = 0; i < n; i++)
            on_readable(events[i].data.ptr);
    }
}

// An answer still missing at the end counts with the time it has been missing for.
static void count_unanswered(void)
{
    for (int i = 0; i < opt.conns; i++)
        if (clients[i].fd >= 0 && clients[i].busy)
            finish(&clients[i]);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static double percentile(double p)
{
    size_t i = (size_t)(p / 100 * (double)(sample_count - 1) + 0.5);

    return sample_count ? samples[i] / 10.0 : 0;
}

static bool parse_options(int argc, char **argv)
{
    int o;

    while ((o = getopt(argc, argv, "p:u:c:r:s:")) != -1) {
        if (o == 'p')
            opt.port = (uint16_t)atoi(optarg);
        else if (o == 'u')
            opt.path = optarg;
        else if (o == 'c')
            opt.conns = atoi(optarg);
        else if (o == 'r')
            opt.rate = atof(optarg);
        else if (o == 's')
            opt.seconds = atof(optarg);
        else
            return false;
    }
    return optind == argc && opt.conns > 0 && opt.conns <= MAX_CONNS && opt.rate > 0;
}

int main(int argc, char **argv)
{
    int ep = epoll_create1(EPOLL_CLOEXEC);

    if (!parse_options(argc, argv)) {
        fprintf(stderr, "usage: pace -p port [-u path] [-c connections] [-r requests-per-second]"
                        " [-s seconds]\n");
        return 2;
    }
    // The default slack of a timer, 50 us, is more than many an answer takes.
    prctl(PR_SET_TIMERSLACK, 1);
    samples = calloc(MAX_SAMPLES, sizeof(*samples));
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", opt.path);
    for (int i = 0; i < opt.conns; i++) {
        int rc = connect_one(&clients[i], ep);

        if (rc < 0 || !samples) {
            fprintf(stderr, "pace: %s\n", strerror(-rc));
            return 1;
        }
    }
    run(ep);
    count_unanswered();
    qsort(samples, sample_count, sizeof(*samples), by_value);
    printf("{\"requests\": %zu, \"errors\": %lu, \"p50_us\": %.1f, \"p99_us\": %.1f,"
           " \"max_us\": %.1f}\n",
           sample_count, errors, percentile(50), percentile(99), percentile(100));
    return 0;
}
