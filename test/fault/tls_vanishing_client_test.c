// SPDX-License-Identifier: Apache-2.0
//
// Clients that go away behind the handshake: at each byte of the record that has their request, and
// at each byte of the records that have their answer.
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/compiler.h"
#include "server/process/stats.h"
#include "test/fault/faults.h"
#include "test/fault/fixture.h"
#include "test/fault/scenes.h"
#include "test/fault/tls_client.h"

// A reset may be seen before the client's last flight is: such a handshake counts as failed.
static void serves_still(int64_t connections)
{
    fixture_settle();
    cr_assert_eq(fixture_accepted(), connections);
    cr_assert_eq(fixture_stats()->tls_handshakes + fixture_stats()->tls_failed, connections,
                 "each is counted once");
    fixture_expect_log("[alert]", "", 0);
    fixture_expect_log("[crit]", "", 0);
    scene_play(scene_find("pipelined"));
    fixture_stop();
}

static void seal(struct tls_client *c, const char *request, const char **bytes, size_t *n)
{
    size_t written;

    cr_assert_eq(SSL_write_ex(c->ssl, request, strlen(request), &written), 1);
    *n = tls_client_output(c, bytes);
}

static void leave_in_the_request(enum fixture_tls version)
{
    struct tls_client c;
    const char *bytes;
    unsigned i = 0;
    size_t n;

    scenes_start_tls(version, NULL);
    do {
        tls_client_open(&c, 0);
        seal(&c, scene_find("pipelined")->request, &bytes, &n);
        client_send_n(c.fd, bytes, i / 2);
        tls_client_leave(&c, i);
    } while (++i / 2 <= n);
    serves_still(i);
}

Test(tls_vanishing_client, at_every_byte_of_the_request_1_2, .timeout = 100)
{
    leave_in_the_request(FIXTURE_TLS_1_2);
}

Test(tls_vanishing_client, at_every_byte_of_the_request_1_3, .timeout = 100)
{
    leave_in_the_request(FIXTURE_TLS_1_3);
}

static void half_close_in_the_request(enum fixture_tls version)
{
    struct bytes expected;
    struct tls_client c;
    const char *bytes;
    size_t i = 0, n;

    scenes_start_tls(version, NULL);
    expected = scene_expected(scene_find("small"));
    do {
        tls_client_open(&c, 0);
        seal(&c, scene_find("small")->request, &bytes, &n);
        client_send_n(c.fd, bytes, i);
        shutdown(c.fd, SHUT_WR);
        struct bytes got = tls_client_read_all(&c);
        bytes_normalise(&got);
        cr_assert_eq(got.n, i == n ? expected.n : 0, "an answer to %zu of %zu bytes", i, n);
        cr_assert(!got.reset);
        cr_assert(i != n || !got.unclean);
        bytes_free(&got);
        tls_client_close(&c);
    } while (++i <= n);
    bytes_free(&expected);
    serves_still((int64_t)i);
}

Test(tls_vanishing_client, half_closed_at_every_byte_of_the_request_1_2, .timeout = 100)
{
    half_close_in_the_request(FIXTURE_TLS_1_2);
}

Test(tls_vanishing_client, half_closed_at_every_byte_of_the_request_1_3, .timeout = 100)
{
    half_close_in_the_request(FIXTURE_TLS_1_3);
}

// The server is still sending: the socket takes a byte at a time. `n` bytes of the network.
static void leave_in_the_response(enum fixture_tls version, const char *scene)
{
    struct tls_client c;

    scenes_start_tls(version, NULL);
    for (unsigned i = 0; i < 600; i++) {
        faults_end();
        tls_client_open(&c, 0);
        fault_order(&(struct fault){.calls = FAULT_SENDS, .most = 1});
        tls_client_send(&c, scene_find(scene)->request);
        struct bytes got = client_read(c.fd, i);
        cr_assert_eq(got.n, i);
        bytes_free(&got);
        tls_client_leave(&c, i);
    }
    faults_end();
    serves_still(600);
}

Test(tls_vanishing_client, at_every_byte_of_a_response_under_way_1_2, .timeout = 100)
{
    leave_in_the_response(FIXTURE_TLS_1_2, "medium");
}

Test(tls_vanishing_client, at_every_byte_of_a_response_under_way_1_3, .timeout = 100)
{
    leave_in_the_response(FIXTURE_TLS_1_3, "medium");
}

Test(tls_vanishing_client, at_every_byte_of_a_small_response, .timeout = 100)
{
    leave_in_the_response(FIXTURE_TLS_1_3, "multipart");
}

static void leave_with_a_full_socket(enum fixture_tls version)
{
    struct tls_client c;

    scenes_start_tls(version, NULL);
    for (unsigned i = 0; i < 400; i++) {
        tls_client_open(&c, 4096);
        tls_client_send(&c, scene_find(i % 3 == 0 ? "big multipart" : "big")->request);
        struct bytes got = client_read(c.fd, i * 997 % 50000);
        bytes_free(&got);
        tls_client_leave(&c, i);
    }
    serves_still(400);
}

Test(tls_vanishing_client, in_a_large_response_with_a_full_socket_1_2, .timeout = 100)
{
    leave_with_a_full_socket(FIXTURE_TLS_1_2);
}

Test(tls_vanishing_client, in_a_large_response_with_a_full_socket_1_3, .timeout = 100)
{
    leave_with_a_full_socket(FIXTURE_TLS_1_3);
}

// The buffer that the ring reads into must outlive the client.
Test(tls_vanishing_client, while_the_ring_reads_the_file, .timeout = 100)
{
    struct tls_client c;

    scenes_start_tls(FIXTURE_TLS_1_3, NULL);
    fault_order(&(struct fault){.calls = FAULT_PREADV2, .err = EAGAIN});
    for (unsigned i = 0; i < 600; i++) {
        tls_client_open(&c, i % 2 == 0 ? 4096 : 0);
        tls_client_send(&c, scene_find(i % 3 == 0 ? "small" : "big")->request);
        if (i % 5 == 0) {
            struct bytes got = client_read(c.fd, i % 400);
            bytes_free(&got);
        }
        tls_client_leave(&c, i);
    }
    faults_end();
    serves_still(600);
}

// Its close_notify is the end of what it says: what it asked for is answered.
Test(tls_vanishing_client, close_notify_behind_a_request_is_answered, .timeout = 60)
{
    static const enum fixture_tls versions[] = {FIXTURE_TLS_1_2, FIXTURE_TLS_1_3};
    struct tls_client c;

    for (size_t i = 0; i < array_len(versions); i++) {
        scenes_start_tls(versions[i], NULL);
        tls_client_open(&c, 0);
        tls_client_send(&c, scene_find("medium")->request);
        (void)SSL_shutdown(c.ssl);
        tls_client_push(&c);
        struct bytes got = tls_client_read_all(&c), expected = scene_expected(scene_find("medium"));
        bytes_normalise(&got);
        bytes_expect(&got, &expected, "medium");
        cr_assert(!got.unclean);
        bytes_free(&got);
        bytes_free(&expected);
        tls_client_close(&c);
        serves_still(1);
    }
}

Test(tls_vanishing_client, close_notify_ends_an_idle_connection, .timeout = 60)
{
    struct tls_client c;

    scenes_start_tls(FIXTURE_TLS_1_3, NULL);
    tls_client_open(&c, 0);
    (void)SSL_shutdown(c.ssl);
    tls_client_push(&c);
    struct bytes got = tls_client_read_all(&c);
    cr_assert(got.n == 0 && !got.unclean && !got.reset);
    bytes_free(&got);
    tls_client_close(&c);
    serves_still(1);
}

Test(tls_vanishing_client, all_at_once, .timeout = 100)
{
    static struct tls_client c[200];

    scenes_start_tls(FIXTURE_TLS_1_3, NULL);
    for (unsigned i = 0; i < 200; i++) {
        tls_client_open(&c[i], 4096);
        tls_client_send(&c[i], scene_find(i % 2 == 0 ? "big" : "pipelined")->request);
    }
    sleep_ms(50);
    for (unsigned i = 0; i < 200; i++)
        tls_client_leave(&c[i], i);
    serves_still(200);
}
