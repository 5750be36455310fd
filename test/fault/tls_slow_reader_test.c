// SPDX-License-Identifier: Apache-2.0
//
// Slow readers of TLS: they get every byte, hold little memory while they wait, and are ended by
// the timeouts that hold for plain connections.
#include <criterion/criterion.h>
#include <semaphore.h>
#include <string.h>

#include "lib/base/compiler.h"
#include "lib/tls/tls.h"
#include "server/conn/conn.h"
#include "server/process/stats.h"
#include "server/worker.h"
#include "test/fault/faults.h"
#include "test/fault/fixture.h"
#include "test/fault/scenes.h"
#include "test/fault/tls_client.h"

#define HUGE_SIZE (4u << 20)
#define HUGE_REQUEST "GET /huge HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

static char content[HUGE_SIZE];

static void start(enum fixture_tls version, const char *server)
{
    fixture_start(&(struct fixture_setup){.listen = "sndbuf=64k", .server = server,
                                          .tls = version});
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (char)('a' + i / 7 % 26);
    fixture_file("huge", content, sizeof(content));
    fixture_file("small", content, 1000);
}

// What connections hold, looked at on the worker's thread.
static struct {
    sem_t done;
    size_t waiting, memory, largest_batch, cold;
    unsigned connections, pooled;
} held;

static void look(void)
{
    const struct worker *w = fixture_worker();

    held.waiting = held.memory = held.largest_batch = held.cold = held.connections = 0;
    list_each (node, &w->conns) {
        const struct conn *c = container_of(node, struct conn, node);
        if (c->tls == NULL || c->security == CONN_SECURITY_plain)
            continue;
        held.connections++;
        held.waiting += c->tls->out.len - c->tls->out.off;
        held.memory += c->tls->out.cap;
        held.largest_batch = max_of(held.largest_batch, (size_t)c->batch);
        held.cold += c->cold != NULL;
    }
    held.pooled = w->nrecord_buffers;
    sem_post(&held.done);
}

// One more client is asked for something, and the worker looks around before it answers.
static void look_around(void)
{
    struct tls_client c;

    sem_init(&held.done, 0, 0);
    tls_client_open(&c, 0);
    fault_order(&(struct fault){.calls = FAULT_PREADV2, .count = 1, .act = look});
    tls_client_send(&c, "GET /small HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    sem_wait(&held.done);
    struct bytes got = tls_client_read_all(&c);
    cr_assert(!got.unclean);
    bytes_free(&got);
    tls_client_close(&c);
    faults_end();
}

static void stop_reading(struct tls_client *all, size_t n)
{
    int64_t sent = -1;

    for (size_t i = 0; i < n; i++) {
        tls_client_open(&all[i], 8192);
        tls_client_send(&all[i], HUGE_REQUEST);
    }
    // Until all have a full socket: nothing moves any more.
    while (fixture_stats()->writing != (int64_t)n || fixture_stats()->requests != sent) {
        sent = fixture_stats()->requests;
        sleep_ms(100);
    }
}

static void hold_little(enum fixture_tls version)
{
    static struct tls_client all[50];

    start(version, "");
    stop_reading(all, array_len(all));
    look_around();
    cr_assert_eq(held.connections, array_len(all) + 1);
    cr_assert_gt(held.waiting, 0);
    cr_assert_leq(held.memory, 2 * held.waiting, "%zu bytes for %zu", held.memory, held.waiting);
    cr_assert_leq(held.memory, array_len(all) * (size_t)RECORD_BATCH / 2, "%zu bytes each",
                  held.memory / array_len(all));
    cr_assert_lt(held.largest_batch, RECORD_BATCH);
    cr_assert_eq(held.cold, 0);
    cr_assert_leq(held.pooled, RECORD_BUFFERS_KEPT);
    for (size_t i = 0; i < array_len(all); i++)
        tls_client_leave(&all[i], (unsigned)i);
    fixture_stop();
}

Test(tls_slow_reader, those_that_stop_hold_little_memory_1_2, .timeout = 60)
{
    hold_little(FIXTURE_TLS_1_2);
}

Test(tls_slow_reader, those_that_stop_hold_little_memory_1_3, .timeout = 60)
{
    hold_little(FIXTURE_TLS_1_3);
}

// Idle, a connection has no buffer at all; with our record layer not even OpenSSL's object.
static void check_idle(void)
{
    const struct worker *w = fixture_worker();

    list_each (node, &w->conns) {
        const struct conn *c = container_of(node, struct conn, node);
        if (c->step != CONN_idle)
            continue;
        held.connections++;
        held.memory += c->tls->out.cap + (c->cold != NULL) + (c->pending != NULL) +
                       (c->tls->ssl != NULL);
    }
    sem_post(&held.done);
}

Test(tls_slow_reader, idle_connections_hold_no_buffer, .timeout = 60)
{
    static struct tls_client all[50];
    const char *asks = "GET /small HTTP/1.1\r\nHost: a\r\n\r\n";

    start(FIXTURE_TLS_1_3, "");
    sem_init(&held.done, 0, 0);
    for (size_t i = 0; i < array_len(all); i++) {
        tls_client_open(&all[i], 0);
        tls_client_send(&all[i], asks);
        struct bytes got = tls_client_read(&all[i], 1000);
        cr_assert_eq(got.n, 1000);
        bytes_free(&got);
    }
    while (fixture_stats()->waiting != (int64_t)array_len(all))
        sleep_ms(1);
    fault_order(&(struct fault){.calls = FAULT_PREADV2, .count = 1, .act = check_idle});
    tls_client_send(&all[0], asks);
    sem_wait(&held.done);
    cr_assert_eq(held.connections, array_len(all) - 1);
    cr_assert_eq(held.memory, 0);
    for (size_t i = 0; i < array_len(all); i++)
        tls_client_close(&all[i]);
    fixture_stop();
}

// The limit is for the pause between two successes, not for the whole.
static void go_on_slowly(enum fixture_tls version)
{
    struct tls_client c;
    size_t total = 0, head;
    uint64_t began = now_ms();
    struct bytes got;

    start(version, "send_timeout 1s;");
    tls_client_open(&c, 32768);
    tls_client_send(&c, HUGE_REQUEST);
    got = tls_client_read(&c, 4096);
    head = (size_t)((char *)memmem(got.p, got.n, "\r\n\r\n", 4) + 4 - got.p);
    for (size_t from = head;; from = 0) {
        cr_assert_eq(memcmp(got.p + from, content + total, got.n - from), 0, "at %zu", total);
        total += got.n - from;
        bytes_free(&got);
        if (total == HUGE_SIZE)
            break;
        sleep_ms(40);
        got = tls_client_read(&c, min_of(HUGE_SIZE - total, (size_t)(128u << 10)));
        cr_assert_gt(got.n, 0, "ends at %zu", total);
    }
    got = tls_client_read_all(&c);
    cr_assert(got.n == 0 && !got.unclean && !got.reset);
    bytes_free(&got);
    cr_assert_gt(now_ms() - began, 1000);
    tls_client_close(&c);
    fixture_expect_log("", "timed out", 0);
    fixture_stop();
}

Test(tls_slow_reader, one_that_goes_on_gets_every_byte_and_a_clean_end_1_2, .timeout = 60)
{
    go_on_slowly(FIXTURE_TLS_1_2);
}

Test(tls_slow_reader, one_that_goes_on_gets_every_byte_and_a_clean_end_1_3, .timeout = 60)
{
    go_on_slowly(FIXTURE_TLS_1_3);
}

Test(tls_slow_reader, one_that_stops_is_ended_by_send_timeout_uncleanly, .timeout = 60)
{
    struct tls_client c;

    start(FIXTURE_TLS_1_3, "send_timeout 300ms;");
    tls_client_open(&c, 8192);
    uint64_t began = now_ms();
    tls_client_send(&c, HUGE_REQUEST);
    fixture_expect_log("[info]", "client timed out", 1);
    uint64_t took = now_ms() - began;
    cr_assert(took >= 280 && took < 3300, "%d ms", (int)took);
    struct bytes got = tls_client_read_all(&c);
    cr_assert(got.n < HUGE_SIZE / 2 && got.unclean);
    bytes_free(&got);
    tls_client_close(&c);
    fixture_stop();
}

// Garbage instead of a record, in the middle of an answer or before any.
static void say_garbage(bool answering)
{
    static const struct {
        const char *bytes;
        size_t n;
        int alert;
    } all[] = {
        {"GET / HTTP/1.1\r\n\r\n", 18, SSL_AD_UNEXPECTED_MESSAGE},
        {"\x17\x03\x03\x00\x20xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 37, SSL_AD_BAD_RECORD_MAC},
        {"\x17\x03\x03\xff\xffxxxxxxxxxxxxxxxx", 21, SSL_AD_RECORD_OVERFLOW},
        {"\x16\x03\x03\x00\x20xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 37, SSL_AD_UNEXPECTED_MESSAGE},
    };
    struct tls_client c;

    start(FIXTURE_TLS_1_3, "");
    for (size_t i = 0; i < array_len(all); i++) {
        tls_client_open(&c, 8192);
        if (answering)
            tls_client_send(&c, HUGE_REQUEST);
        while (fixture_stats()->tls_handshakes != (int64_t)i + 1 ||
               (answering && fixture_stats()->writing == 0))
            sleep_ms(1);
        client_send_n(c.fd, all[i].bytes, all[i].n);
        struct bytes got = tls_client_read_all(&c);
        cr_assert(got.unclean && got.n < HUGE_SIZE);
        // With a full socket the alert does not get out.
        cr_assert(answering || tls_client_alert() == all[i].alert, "%zu: alert %d", i,
                  tls_client_alert());
        bytes_free(&got);
        tls_client_close(&c);
    }
    fixture_expect_log("[info]", "TLS record was refused", array_len(all));
    fixture_expect_log("[crit]", "", 0);
    fixture_settle();
    cr_assert_eq(fixture_stats()->tls_failed, 0, "no handshake has");
    fixture_stop();
}

Test(tls_slow_reader, garbage_behind_the_handshake_is_answered_by_an_alert, .timeout = 60)
{
    say_garbage(false);
}

Test(tls_slow_reader, garbage_in_the_middle_of_an_answer_ends_it, .timeout = 60)
{
    say_garbage(true);
}
