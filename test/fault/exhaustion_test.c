// SPDX-License-Identifier: Apache-2.0
//
// What the worker has a limited number of: receive buffers and descriptors. These calls are made by
// the ring and not through the table, so the conditions here are real ones.
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/process/stats.h"
#include "test/fault/faults.h"
#include "test/fault/fixture.h"
#include "test/fault/scenes.h"

#define SENDERS 100
// Bytes of one request body. The kernel hands over some twenty connections at a time, and of each
// as much as has arrived: these together need more than RING_BUFFER_COUNT buffers.
#define BODY (100u << 10)

static sem_t worker_waits, go_on;

// Holds the worker in the middle of a response.
static void hold(void)
{
    sem_post(&worker_waits);
    sem_wait(&go_on);
}

static char *long_request(void)
{
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    fprintf(out, "POST /text HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n", BODY);
    for (size_t i = 0; i < BODY; i++)
        fputc('x', out);
    fprintf(out, "GET /small HTTP/1.1\r\nHost: a\r\n\r\n"
            "GET /text HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    fclose(out);
    return text;
}

static void expect_scene(int fd, const char *name)
{
    struct bytes got = client_read_all(fd), expected = scene_expected(scene_find(name));

    bytes_normalise(&got);
    bytes_expect(&got, &expected, name);
    bytes_free(&got);
    bytes_free(&expected);
}

Test(exhaustion, more_is_received_at_once_than_there_are_buffers, .timeout = 60)
{
    int fds[SENDERS], holder;
    char *request = long_request();

    sem_init(&worker_waits, 0, 0);
    sem_init(&go_on, 0, 0);
    scenes_start(NULL);
    for (size_t i = 0; i < SENDERS; i++)
        fds[i] = client_open();
    fault_order(&(struct fault){.calls = FAULT_SEND, .count = 1, .act = hold});
    holder = client_open();
    client_send(holder, scene_find("small")->request);
    sem_wait(&worker_waits);
    for (size_t i = 0; i < SENDERS; i++)
        client_send(fds[i], request);
    sem_post(&go_on);
    expect_scene(holder, "small");
    client_close(holder);
    for (size_t i = 0; i < SENDERS; i++) {
        expect_scene(fds[i], "small pipeline");
        client_close(fds[i]);
    }
    free(request);
    fixture_expect_log("[alert]", "", 0);
    fixture_expect_log("", "prematurely", 0);
    fixture_stop();
}

#define FILLERS 400

static int fillers[FILLERS];
static size_t nfillers;

// A limit that leaves room for a worker and its clients. It must stand before the worker starts:
// the kernel reads it when an accept is put on the ring.
static void limit_descriptors(void)
{
    int first = fcntl(0, F_DUPFD_CLOEXEC, 3);
    struct rlimit limit;

    cr_assert_geq(first, 0);
    close(first);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = (rlim_t)first + FILLERS - 100;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

// Uses up all descriptors but `spare`.
static void fill_descriptors(size_t spare)
{
    for (nfillers = 0; nfillers < FILLERS; nfillers++) {
        fillers[nfillers] = fcntl(0, F_DUPFD_CLOEXEC, 3);
        if (fillers[nfillers] < 0)
            break;
    }
    cr_assert_lt(nfillers, FILLERS);
    cr_assert_geq(nfillers, spare);
    while (spare-- > 0)
        close(fillers[--nfillers]);
}

static void release_descriptors(void)
{
    while (nfillers > 0)
        close(fillers[--nfillers]);
}

static int make_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_geq(fd, 0);
    return fd;
}

static void connect_to_server(int fd)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                               .sin_port = htons(fixture_port())};

    cr_assert_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    fixture_connected();
}

#define CROWD 60

// The clients' sockets are made before, for they count in the same process.
static void start_crowded(int *fds, size_t spare)
{
    limit_descriptors();
    scenes_start(NULL);
    for (size_t i = 0; i < CROWD; i++)
        fds[i] = make_socket();
    fill_descriptors(spare);
    for (size_t i = 0; i < CROWD; i++)
        connect_to_server(fds[i]);
    fixture_expect_log("[crit]", "accept4() failed, accepting pauses (24: Too many open files)", 1);
}

static void end_crowd(int *fds)
{
    release_descriptors();
    for (size_t i = 0; i < CROWD; i++)
        client_close(fds[i]);
    cr_assert_eq(fixture_accepted(), CROWD);
    fixture_settle();
    fixture_expect_log("[crit]", "", 1);
    fixture_stop();
}

// The clients wait in their order, and so they are served: each that leaves makes room for one.
Test(exhaustion, out_of_descriptors_pauses_once_and_loses_no_connection, .timeout = 60)
{
    int fds[CROWD];

    start_crowded(fds, 10);
    for (size_t i = 0; i < CROWD; i++) {
        client_send(fds[i], scene_find("text")->request);
        expect_scene(fds[i], "text");
    }
    end_crowd(fds);
}

Test(exhaustion, no_descriptor_for_a_single_connection_until_some_are_free, .timeout = 60)
{
    int fds[CROWD];

    start_crowded(fds, 0);
    for (size_t i = 0; i < CROWD; i++)
        client_send(fds[i], scene_find("text")->request);
    sleep_ms(1200); // two more tries fail
    cr_assert_eq(fixture_accepted(), 0);
    fixture_expect_log("[crit]", "", 1);
    release_descriptors();
    for (size_t i = 0; i < CROWD; i++)
        expect_scene(fds[i], "text");
    end_crowd(fds);
}

// The connection whose file cannot be opened gets a 500 and ends, and its own number is free for
// the next.
Test(exhaustion, no_descriptor_left_for_files, .timeout = 60)
{
    int fds[2];

    limit_descriptors();
    scenes_start(NULL);
    fds[0] = make_socket();
    fds[1] = make_socket();
    fill_descriptors(1);
    connect_to_server(fds[0]);
    client_send(fds[0], scene_find("small")->request);
    struct bytes got = client_read_all(fds[0]);
    cr_assert_eq(memcmp(got.p, "HTTP/1.1 500 ", 13), 0);
    bytes_free(&got);
    connect_to_server(fds[1]);
    client_send(fds[1], scene_find("text")->request);
    expect_scene(fds[1], "text");
    release_descriptors();
    client_close(fds[0]);
    client_close(fds[1]);
    scene_play(scene_find("small"));
    fixture_expect_log("[crit]", "failed (24: Too many open files)", 1);
    fixture_stop();
}

static void wait_until_reading(int64_t connections)
{
    uint64_t until = now_ms() + CLIENT_WAIT_MS;
    struct stats sum;

    do {
        sleep_ms(2);
        stats_sum(&sum);
    } while (sum.reading != connections && now_ms() < until);
    cr_assert_eq(sum.reading, connections);
}

// Connections that have said something are not given up for others; those are closed unheard.
Test(exhaustion, worker_connections_are_used_up, .timeout = 60)
{
    int fds[8];

    fixture_start(&(struct fixture_setup){.events = "worker_connections 8;",
                                          .server = SCENE_SERVER});
    for (size_t i = 0; i < 8; i++) {
        fds[i] = client_open();
        client_send(fds[i], "GET /text HTTP/1.1\r\nHost");
    }
    wait_until_reading(8);
    for (size_t i = 0; i < 4; i++) {
        int refused = client_open();
        cr_assert_eq(client_drain(refused), 0);
        client_close(refused);
    }
    fixture_expect_log("[alert]", "8 worker_connections are not enough", 4);
    for (size_t i = 0; i < 8; i++) {
        client_send(fds[i], ": a\r\nConnection: close\r\n\r\n");
        expect_scene(fds[i], "text");
        client_close(fds[i]);
    }
    cr_assert_eq(fixture_accepted(), 12);
    fixture_stop();
}
