// SPDX-License-Identifier: Apache-2.0
//
// Clients that shake hands badly: that go away at each byte of what they say, that stop, that say
// something else, or that say much at once. Each costs its own connection and is counted, and
// nothing of it is left.
#include <criterion/criterion.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/compiler.h"
#include "server/process/stats.h"
#include "test/fault/faults.h"
#include "test/fault/fixture.h"
#include "test/fault/scenes.h"
#include "test/fault/tls_client.h"

#define LIMIT "client_header_timeout 300ms;"
#define LIMIT_MS 300
#define LATE_MS 3000 // what a busy machine may add

static void end_well(int64_t failed)
{
    fixture_settle();
    cr_assert_eq(fixture_stats()->tls_failed, failed);
    fixture_expect_log("[alert]", "", 0);
    fixture_expect_log("[crit]", "", 0);
    scene_play(scene_find("pipelined"));
    cr_assert_eq(fixture_stats()->tls_failed, failed);
    fixture_stop();
}

// The client has said its first flight and heard the server's: its second one stands ready.
static void reach_second_flight(struct tls_client *c)
{
    tls_client_begin(c, client_open());
    (void)tls_client_step(c);
    tls_client_push(c);
    const char *bytes;
    do {
        cr_assert(tls_client_pull(c));
        (void)tls_client_step(c);
    } while (tls_client_output(c, &bytes) == 0);
}

static size_t send_part(struct tls_client *c, size_t n)
{
    const char *bytes;
    size_t all = tls_client_output(c, &bytes);

    client_send_n(c->fd, bytes, min_of(n, all));
    return all;
}

// Stands before the first byte, or before the second flight.
static void reach(struct tls_client *c, bool second)
{
    if (second) {
        reach_second_flight(c);
        return;
    }
    tls_client_begin(c, client_open());
    (void)tls_client_step(c);
}

static void vanish_at_every_byte(enum fixture_tls version, bool second)
{
    struct tls_client c;
    unsigned i = 0;
    size_t all;

    scenes_start_tls(version, NULL);
    do {
        reach(&c, second);
        all = send_part(&c, i / 2);
        tls_client_leave(&c, i);
    } while (++i / 2 < all);
    end_well(i);
}

Test(tls_handshake, vanishing_at_every_byte_of_the_first_flight_1_2, .timeout = 100)
{
    vanish_at_every_byte(FIXTURE_TLS_1_2, false);
}

Test(tls_handshake, vanishing_at_every_byte_of_the_first_flight_1_3, .timeout = 100)
{
    vanish_at_every_byte(FIXTURE_TLS_1_3, false);
}

Test(tls_handshake, vanishing_at_every_byte_of_the_second_flight_1_2, .timeout = 100)
{
    vanish_at_every_byte(FIXTURE_TLS_1_2, true);
}

Test(tls_handshake, vanishing_at_every_byte_of_the_second_flight_1_3, .timeout = 100)
{
    vanish_at_every_byte(FIXTURE_TLS_1_3, true);
}

// A client that goes as soon as it is done: whether the server's last flight reaches it or not, the
// handshake is done.
Test(tls_handshake, vanishing_behind_the_handshake, .timeout = 100)
{
    struct tls_client c;

    scenes_start_tls(FIXTURE_TLS_1_3, NULL);
    for (unsigned i = 0; i < 200; i++) {
        reach_second_flight(&c);
        (void)send_part(&c, 1000);
        tls_client_leave(&c, i);
    }
    fixture_settle();
    cr_assert_leq(fixture_stats()->tls_handshakes + fixture_stats()->tls_failed, 200,
                  "one was counted twice");
    cr_assert_geq(fixture_stats()->tls_handshakes, 100, "those that ended with a FIN");
    fixture_expect_log("[crit]", "", 0);
    scene_play(scene_find("small"));
    fixture_stop();
}

static void stop_and_wait(struct tls_client *c)
{
    uint64_t began = now_ms();

    (void)client_drain(c->fd);
    uint64_t took = now_ms() - began;
    cr_assert(took + 50 >= LIMIT_MS && took < LIMIT_MS + LATE_MS, "%d ms", (int)took);
    tls_client_close(c);
}

static void stop_at_points(enum fixture_tls version)
{
    static const size_t points[] = {0, 1, 4, 5, 6, 40, 100};
    struct tls_client c;

    scenes_start_tls(version, LIMIT);
    for (size_t i = 0; i < array_len(points) * 2; i++) {
        bool second = i % 2 != 0;
        reach(&c, second);
        (void)send_part(&c, points[i / 2]);
        if (second && points[i / 2] >= 100 && version == FIXTURE_TLS_1_3)
            client_send_n(c.fd, "\x17\x03\x03", 3); // all of it was sent: half a header behind it
        stop_and_wait(&c);
    }
    fixture_settle();
    int64_t done = version == FIXTURE_TLS_1_3 ? 1 : 0;
    cr_assert_eq(fixture_stats()->tls_handshakes, done);
    fixture_expect_log("[info]", "client timed out", 2 * array_len(points) - (unsigned)done);
    end_well((int64_t)(2 * array_len(points)) - done);
}

Test(tls_handshake, stopping_ends_by_timeout_and_is_counted_1_2, .timeout = 60)
{
    stop_at_points(FIXTURE_TLS_1_2);
}

Test(tls_handshake, stopping_ends_by_timeout_and_is_counted_1_3, .timeout = 60)
{
    stop_at_points(FIXTURE_TLS_1_3);
}

// The limit is for the whole: bytes that trickle in don't renew it.
Test(tls_handshake, trickling_ends_by_timeout, .timeout = 60)
{
    struct tls_client c;
    const char *bytes;
    size_t sent = 0;

    scenes_start_tls(FIXTURE_TLS_1_3, LIMIT);
    reach(&c, false);
    size_t all = tls_client_output(&c, &bytes);
    uint64_t began = now_ms();
    while (sent < all - 1 && send(c.fd, bytes + sent, 1, MSG_NOSIGNAL) == 1 &&
           now_ms() - began < LATE_MS) {
        sent++;
        sleep_ms(20);
    }
    cr_assert_lt(sent, all - 1);
    cr_assert_geq(now_ms() - began, LIMIT_MS - 50);
    tls_client_close(&c);
    end_well(1);
}

static void send_slowly(struct tls_client *c)
{
    const char *bytes;
    size_t n = tls_client_output(c, &bytes);

    for (size_t i = 0; i < n; i++) {
        client_send_n(c->fd, bytes + i, 1);
        if (i % 16 == 0)
            sleep_ms(1);
    }
    tls_client_sent(c);
}

static void in_single_bytes(enum fixture_tls version)
{
    struct tls_client c;
    size_t written;
    const char *request;

    scenes_start_tls(version, NULL);
    request = scene_find("small")->request;
    tls_client_begin(&c, client_open());
    while (!tls_client_step(&c)) {
        send_slowly(&c);
        cr_assert(tls_client_pull(&c));
    }
    cr_assert_eq(SSL_write_ex(c.ssl, request, strlen(request), &written), 1);
    send_slowly(&c);
    struct bytes got = tls_client_read_all(&c), expected = scene_expected(scene_find("small"));
    bytes_normalise(&got);
    bytes_expect(&got, &expected, "small");
    cr_assert(!got.unclean);
    bytes_free(&got);
    bytes_free(&expected);
    tls_client_close(&c);
    end_well(0);
}

Test(tls_handshake, a_client_in_single_bytes_1_2, .timeout = 60)
{
    in_single_bytes(FIXTURE_TLS_1_2);
}

Test(tls_handshake, a_client_in_single_bytes_1_3, .timeout = 60)
{
    in_single_bytes(FIXTURE_TLS_1_3);
}

// TLS 1.3: the client's Finished with its first request right behind it.
static void finish_and_ask(struct tls_client *c, const char *request)
{
    size_t written;

    reach_second_flight(c);
    cr_assert_eq(SSL_write_ex(c->ssl, request, strlen(request), &written), 1);
}

static void expect_small(struct tls_client *c)
{
    struct bytes got = tls_client_read_all(c), expected = scene_expected(scene_find("small"));

    bytes_normalise(&got);
    bytes_expect(&got, &expected, "small");
    cr_assert(!got.unclean && !got.reset);
    bytes_free(&got);
    bytes_free(&expected);
}

// Wherever the network cuts: what OpenSSL has not taken goes to the record layer, and a record that
// OpenSSL has half of stays with OpenSSL.
Test(tls_handshake, finished_and_request_cut_at_every_byte, .timeout = 100)
{
    struct tls_client c;
    const char *bytes;
    size_t n, all;

    scenes_start_tls(FIXTURE_TLS_1_3, NULL);
    for (n = 1, all = 2; n <= all; n++) {
        finish_and_ask(&c, scene_find("small")->request);
        all = tls_client_output(&c, &bytes);
        client_send_n(c.fd, bytes, n);
        sleep_ms(3);
        client_send_n(c.fd, bytes + n, all - n);
        tls_client_sent(&c);
        expect_small(&c);
        tls_client_close(&c);
    }
    end_well(0);
}

// The FIN may be seen while the bytes before it wait for their turn.
Test(tls_handshake, half_closed_right_behind_its_first_request_is_answered, .timeout = 60)
{
    struct tls_client c;

    scenes_start_tls(FIXTURE_TLS_1_3, NULL);
    for (unsigned i = 0; i < 100; i++) {
        finish_and_ask(&c, scene_find("small")->request);
        tls_client_push(&c);
        shutdown(c.fd, SHUT_WR);
        expect_small(&c);
        tls_client_close(&c);
    }
    end_well(0);
}

static void half_close_at_every_byte(bool second)
{
    struct tls_client c;
    size_t n = 0, all;

    scenes_start_tls(FIXTURE_TLS_1_3, NULL);
    do {
        reach(&c, second);
        all = send_part(&c, n);
        shutdown(c.fd, SHUT_WR);
        (void)client_drain(c.fd);
        tls_client_close(&c);
    } while (++n < all);
    fixture_expect_log("[info]", "client closed the connection while SSL handshaking",
                       (unsigned)n);
    end_well((int64_t)n);
}

Test(tls_handshake, half_closed_at_every_byte_of_the_first_flight, .timeout = 100)
{
    half_close_at_every_byte(false);
}

Test(tls_handshake, half_closed_at_every_byte_of_the_second_flight, .timeout = 100)
{
    half_close_at_every_byte(true);
}

// More than CONN_PENDING_MAX in one message, and many at once, so that they wait for their turn.
Test(tls_handshake, many_large_hellos_at_once, .timeout = 60)
{
    static unsigned char names[60000];
    struct tls_client c[40];

    scenes_start_tls(FIXTURE_TLS_1_3, NULL);
    for (size_t i = 0; i < sizeof(names); i += 200)
        names[i] = 199; // a list of names of protocols that nobody knows
    for (size_t i = 0; i < array_len(c); i++) {
        tls_client_begin(&c[i], client_open());
        cr_assert_eq(SSL_set_alpn_protos(c[i].ssl, names, sizeof(names)), 0);
        (void)tls_client_step(&c[i]);
    }
    for (size_t i = 0; i < array_len(c); i++)
        tls_client_push(&c[i]);
    for (size_t i = 0; i < array_len(c); i++) {
        cr_assert_not(tls_client_handshake(&c[i]), "no_application_protocol");
        cr_assert_eq(tls_client_alert(), SSL_AD_NO_APPLICATION_PROTOCOL);
        tls_client_close(&c[i]);
    }
    end_well(array_len(c));
}

static void say(const char *bytes, size_t n)
{
    int fd = client_open();

    client_send_n(fd, bytes, n);
    (void)client_drain(fd);
    client_close(fd);
}

Test(tls_handshake, nonsense_instead_of_a_hello, .timeout = 60)
{
    static const struct {
        const char *bytes;
        size_t n;
    } all[] = {
        {"\x16\x03\x01\x00\x04junk", 9},                // no handshake message
        {"\x16\x03\x01\x00\x00", 5},                    // an empty record
        {"\x16\x03\x01\xff\xffxxxxxxxx", 13},           // too long a record
        {"\x16\x13\x37\x00\x04junk", 9},                // no such version
        {"\x80\x2e\x01\x00\x02xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 56}, // SSL 2
        {"\x16\x03\x01\x00\x04\x01\xff\xff\xff", 9},    // a hello of 16 MiB
    };

    scenes_start_tls(FIXTURE_TLS_1_3, LIMIT);
    for (size_t i = 0; i < array_len(all); i++)
        say(all[i].bytes, all[i].n);
    end_well(array_len(all));
}

// Each bit counts: no change of a byte of Finished may pass.
static void change_every_byte(enum fixture_tls version)
{
    struct tls_client c;
    const char *bytes;
    char changed[1000];
    size_t n = 0, all;

    scenes_start_tls(version, LIMIT);
    do {
        reach_second_flight(&c);
        all = tls_client_output(&c, &bytes);
        cr_assert_leq(all, sizeof(changed));
        memcpy(changed, bytes, all);
        changed[n] ^= 0x41;
        client_send_n(c.fd, changed, all);
        (void)client_drain(c.fd);
        tls_client_close(&c);
        cr_assert_eq(fixture_stats()->tls_handshakes, 0, "byte %zu", n);
    } while (++n < all);
    end_well((int64_t)n);
}

Test(tls_handshake, every_byte_of_the_second_flight_counts_1_2, .timeout = 100)
{
    change_every_byte(FIXTURE_TLS_1_2);
}

Test(tls_handshake, every_byte_of_the_second_flight_counts_1_3, .timeout = 100)
{
    change_every_byte(FIXTURE_TLS_1_3);
}
