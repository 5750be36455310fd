// SPDX-License-Identifier: Apache-2.0
//
// Slow clients: what each timeout lets pass and what it ends, with short timeouts and a clock.
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>

#include "test/fault/faults.h"
#include "test/fault/fixture.h"
#include "test/fault/scenes.h"

#define LIMIT_MS 300
#define LATE_MS 3000 // what a busy machine may add

static void expect_took(uint64_t began, unsigned at_least)
{
    uint64_t took = now_ms() - began;

    cr_assert(took + 20 >= at_least && took < at_least + LATE_MS, "%d ms", (int)took);
}

Test(timeout, a_head_that_stops, .timeout = 60)
{
    scenes_start("client_header_timeout 300ms;");
    int fd = client_open();
    uint64_t began = now_ms();
    client_send(fd, "GET /small HTTP/1.1\r\nHos");
    cr_assert_eq(client_drain(fd), 0);
    expect_took(began, LIMIT_MS);
    client_close(fd);
    fixture_expect_log("[info]", "client timed out", 1);
    fixture_stop();
}

// The limit is for the whole head: bytes that trickle in don't renew it.
Test(timeout, a_head_that_trickles, .timeout = 60)
{
    const char *request;
    size_t sent = 0;

    scenes_start("client_header_timeout 300ms;");
    request = scene_find("small")->request;
    int fd = client_open();
    uint64_t began = now_ms();
    while (send(fd, request + sent, 1, MSG_NOSIGNAL) == 1 && now_ms() - began < LATE_MS) {
        cr_assert_lt(++sent, strlen(request) - 1);
        sleep_ms(50);
    }
    expect_took(began, LIMIT_MS);
    client_close(fd);
    fixture_expect_log("[info]", "client timed out", 1);
    fixture_stop();
}

Test(timeout, a_client_that_says_nothing, .timeout = 60)
{
    scenes_start("client_header_timeout 300ms;");
    int fd = client_open();
    uint64_t began = now_ms();
    cr_assert_eq(client_drain(fd), 0);
    expect_took(began, LIMIT_MS);
    client_close(fd);
    fixture_stop();
}

Test(timeout, keep_alive_ends, .timeout = 60)
{
    scenes_start("keepalive_timeout 300ms;");
    int fd = client_open();
    client_send(fd, "GET /text HTTP/1.1\r\nHost: a\r\n\r\n");
    uint64_t began = now_ms();
    struct bytes got = client_read_all(fd);
    expect_took(began, LIMIT_MS);
    cr_assert_eq(memcmp(got.p + got.n - 4, "text", 4), 0);
    cr_assert(!got.reset);
    bytes_free(&got);
    client_close(fd);
    fixture_stop();
}

static void start_with_small_buffer(const char *server)
{
    char path[256], text[256];
    static char content[4 << 20];

    snprintf(text, sizeof(text), "%s", server);
    fixture_start(&(struct fixture_setup){.listen = "sndbuf=64k", .server = text});
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (char)('a' + i / 7 % 26);
    fixture_file("huge", content, sizeof(content));
    fixture_path("huge", path, sizeof(path));
}

#define HUGE_REQUEST "GET /huge HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

Test(timeout, a_reader_that_stops, .timeout = 60)
{
    start_with_small_buffer("send_timeout 300ms;");
    int fd = client_open_with(8192);
    uint64_t began = now_ms();
    client_send(fd, HUGE_REQUEST);
    fixture_expect_log("[info]", "client timed out", 1);
    expect_took(began, LIMIT_MS);
    cr_assert_lt(client_drain(fd), 2u << 20);
    client_close(fd);
    fixture_stop();
}

Test(timeout, a_reader_that_stops_is_reset_when_that_is_configured, .timeout = 60)
{
    start_with_small_buffer("send_timeout 300ms; reset_timedout_connection on;");
    int fd = client_open_with(8192);
    client_send(fd, HUGE_REQUEST);
    fixture_expect_log("[info]", "client timed out", 1);
    struct bytes got = client_read_all(fd);
    cr_assert(got.reset);
    bytes_free(&got);
    client_close(fd);
    fixture_stop();
}

// The limit is for the pause between two successes, not for the whole.
Test(timeout, a_slow_reader_that_goes_on, .timeout = 60)
{
    size_t total = 0, n;

    start_with_small_buffer("send_timeout 1s;");
    int fd = client_open_with(32768);
    uint64_t began = now_ms();
    client_send(fd, HUGE_REQUEST);
    do {
        struct bytes got = client_read(fd, 128 << 10);
        n = got.n;
        total += n;
        bytes_free(&got);
        sleep_ms(40);
    } while (n != 0);
    cr_assert_gt(total, 4u << 20);
    cr_assert_gt(now_ms() - began, 1000);
    client_close(fd);
    fixture_expect_log("", "timed out", 0);
    fixture_stop();
}

// The answer is sent at once; what of the body still comes is read for a while, then no more.
Test(timeout, a_body_that_stops, .timeout = 60)
{
    scenes_start("lingering_timeout 300ms; client_body_timeout 300ms;");
    int fd = client_open();
    uint64_t began = now_ms();
    client_send(fd, "POST /text HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nxxx");
    struct bytes got = client_read_all(fd);
    expect_took(began, LIMIT_MS);
    cr_assert_gt(got.n, 100);
    cr_assert_eq(memcmp(got.p + got.n - 4, "text", 4), 0);
    bytes_free(&got);
    client_close(fd);
    fixture_stop();
}

Test(timeout, many_slow_clients_are_ended_in_time_and_others_served, .timeout = 60)
{
    int fds[200];

    scenes_start("client_header_timeout 500ms;");
    for (size_t i = 0; i < 200; i++) {
        fds[i] = client_open();
        client_send_n(fds[i], "GET / HTTP/1.1\r\n", i % 16);
    }
    uint64_t began = now_ms();
    scene_play(scene_find("big"));
    for (size_t i = 0; i < 200; i++) {
        cr_assert_eq(client_drain(fds[i]), 0);
        client_close(fds[i]);
    }
    cr_assert_lt(now_ms() - began, 500 + LATE_MS);
    fixture_stop();
}
