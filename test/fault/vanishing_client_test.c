// SPDX-License-Identifier: Apache-2.0
//
// Clients that go away at each byte of what they send and of what they get. Thousands of them
// leave nothing behind: fixture_settle() compares gauges and descriptors, the leak checker memory.
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "test/fault/faults.h"
#include "test/fault/fixture.h"
#include "test/fault/scenes.h"

static void serves_still(int64_t connections)
{
    fixture_settle();
    cr_assert_eq(fixture_accepted(), connections);
    fixture_expect_log("[alert]", "", 0);
    fixture_expect_log("[crit]", "", 0);
    scene_play(scene_find("pipelined"));
    fixture_stop();
}

static int64_t leave_at_every_byte_of_the_request(const struct scene *s)
{
    size_t n = strlen(s->request);

    for (size_t i = 0; i <= n * 2; i++) {
        int fd = client_open();
        client_send_n(fd, s->request, i / 2);
        client_leave(fd, (unsigned)i);
    }
    return (int64_t)n * 2 + 1;
}

Test(vanishing_client, at_every_byte_of_the_request, .timeout = 100)
{
    int64_t connections = 0;

    scenes_start(NULL);
    connections += leave_at_every_byte_of_the_request(scene_find("small"));
    connections += leave_at_every_byte_of_the_request(scene_find("big multipart"));
    connections += leave_at_every_byte_of_the_request(scene_find("pipelined"));
    serves_still(connections);
}

// A client that has closed its half waits for an answer; half a head gets none.
Test(vanishing_client, half_closed_at_every_byte_of_the_request, .timeout = 100)
{
    const struct scene *s;

    scenes_start(NULL);
    s = scene_find("small");
    struct bytes expected = scene_expected(s);
    size_t n = strlen(s->request);
    for (size_t i = 0; i <= n; i++) {
        int fd = client_open();
        client_send_n(fd, s->request, i);
        shutdown(fd, SHUT_WR);
        struct bytes got = client_read_all(fd);
        bytes_normalise(&got);
        if (i == n)
            bytes_expect(&got, &expected, s->name);
        else
            cr_assert_eq(got.n, 0, "an answer to %zu of %zu bytes", i, n);
        cr_assert(!got.reset);
        bytes_free(&got);
        client_close(fd);
    }
    bytes_free(&expected);
    serves_still((int64_t)n + 1);
}

static int64_t leave_at_every_byte_of_the_response(const struct scene *s, size_t most)
{
    struct bytes expected = scene_expected(s);
    size_t n = expected.n < most ? expected.n : most;

    for (size_t i = 0; i <= n; i++) {
        int fd = client_open();
        client_send(fd, s->request);
        struct bytes got = client_read(fd, i);
        bytes_normalise(&got);
        cr_assert_eq(got.n, i);
        client_leave(fd, (unsigned)i);
        bytes_free(&got);
    }
    bytes_free(&expected);
    return (int64_t)n + 1;
}

Test(vanishing_client, at_every_byte_of_a_small_response, .timeout = 100)
{
    scenes_start(NULL);
    int64_t n = leave_at_every_byte_of_the_response(scene_find("small"), 2000);
    n += leave_at_every_byte_of_the_response(scene_find("not found"), 2000);
    n += leave_at_every_byte_of_the_response(scene_find("multipart"), 2000);
    serves_still(n);
}

// The server is still sending: the socket takes a byte at a time.
Test(vanishing_client, at_every_byte_of_a_response_under_way, .timeout = 100)
{
    scenes_start(NULL);
    fault_order(&(struct fault){.calls = FAULT_SENDS, .most = 1});
    int64_t n = leave_at_every_byte_of_the_response(scene_find("small"), 600);
    n += leave_at_every_byte_of_the_response(scene_find("medium"), 600);
    faults_end();
    serves_still(n);
}

Test(vanishing_client, in_a_large_response_with_a_full_socket, .timeout = 100)
{
    scenes_start(NULL);
    for (unsigned i = 0; i < 600; i++) {
        int fd = client_open_with(4096);
        client_send(fd, scene_find(i % 3 == 0 ? "big multipart" : "big")->request);
        struct bytes got = client_read(fd, i * 997 % 50000);
        bytes_free(&got);
        client_leave(fd, i);
    }
    serves_still(600);
}

// The part of a file that a client asked for comes when the client has gone.
Test(vanishing_client, while_the_ring_reads_the_file, .timeout = 100)
{
    scenes_start(NULL);
    fault_order(&(struct fault){.calls = FAULT_PREADV2, .err = EAGAIN});
    for (unsigned i = 0; i < 1000; i++) {
        int fd = client_open();
        client_send(fd, scene_find(i % 3 == 0 ? "big" : "small")->request);
        if (i % 5 == 0) {
            struct bytes got = client_read(fd, i % 400);
            bytes_free(&got);
        }
        client_leave(fd, i);
    }
    faults_end();
    serves_still(1000);
}

Test(vanishing_client, in_the_body_of_its_own_request, .timeout = 100)
{
    static const char head[] = "POST /text HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n";
    static char body[3000];

    scenes_start(NULL);
    memset(body, 'x', sizeof(body));
    for (unsigned i = 0; i < 1000; i++) {
        int fd = client_open();
        client_send(fd, head);
        client_send_n(fd, body, i * 3);
        client_leave(fd, i);
    }
    serves_still(1000);
}

Test(vanishing_client, all_at_once, .timeout = 100)
{
    int fds[300];

    scenes_start(NULL);
    for (unsigned i = 0; i < 300; i++) {
        fds[i] = client_open_with(4096);
        client_send(fds[i], scene_find(i % 2 == 0 ? "big" : "pipelined")->request);
    }
    sleep_ms(50);
    for (unsigned i = 0; i < 300; i++)
        client_leave(fds[i], i);
    serves_still(300);
}
