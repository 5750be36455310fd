// SPDX-License-Identifier: Apache-2.0
//
// Handshakes beside transfers in one worker: who waits for whom. Time itself is not measured: the
// debt is set by hand, on the worker's thread, while a transfer keeps every turn busy.
#include <criterion/criterion.h>
#include <semaphore.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/compiler.h"
#include "server/bounds.h"
#include "server/conn/conn.h"
#include "server/conn/conn_tls.h"
#include "server/process/stats.h"
#include "server/worker.h"
#include "test/fault/faults.h"
#include "test/fault/fixture.h"
#include "test/fault/scenes.h"
#include "test/fault/tls_client.h"

#define CLIENTS 20
#define FOR_EVER_NS ((int64_t)1 << 60)

static struct {
    sem_t waits, go_on;
    _Atomic unsigned sends;   // by the transfer, while the clients waited
    _Atomic unsigned queued;
    unsigned served;
    uint64_t order[CLIENTS];  // of the queue
    uint64_t answered[CLIENTS];
} seen;

static unsigned queue_length(const struct worker *w)
{
    unsigned n = 0;

    list_each (node, &w->handshakes)
        n++;
    return n;
}

// Before each send of the transfer: longer than a turn that counts as idle, and handshakes owe more
// than all such turns together.
static void keep_busy(void)
{
    struct worker *w = fixture_worker();

    if (seen.sends++ == 0) {
        sem_post(&seen.waits);
        sem_wait(&seen.go_on);
    }
    w->handshake_debt_ns = FOR_EVER_NS; // an empty queue has forgiven it
    sleep_ms(1);
    seen.queued = queue_length(w);
}

// A transfer that takes many turns, and clients that begin to shake hands in its first.
static void begin(struct tls_client *transfer, struct tls_client *clients)
{
    sem_init(&seen.waits, 0, 0);
    sem_init(&seen.go_on, 0, 0);
    scenes_start_tls(FIXTURE_TLS_1_3, "sendfile_max_chunk 16k;");
    tls_client_open(transfer, 0);
    while (fixture_stats()->tls_handshakes != 1)
        sleep_ms(1);
    for (size_t i = 0; i < CLIENTS; i++) {
        tls_client_begin(&clients[i], client_open());
        (void)tls_client_step(&clients[i]);
    }
    while (fixture_accepted() != CLIENTS + 1)
        sleep_ms(1);
}

// The transfer stops at its first send until all clients have sent their hello; from then on `act`
// runs before each send.
static void hold_and_push(struct tls_client *transfer, struct tls_client *clients,
                          void (*act)(void))
{
    fault_order(&(struct fault){.calls = FAULT_SENDS, .act = act});
    tls_client_send(transfer, scene_find("big")->request);
    sem_wait(&seen.waits);
    for (size_t i = 0; i < CLIENTS; i++)
        tls_client_push(&clients[i]);
    sem_post(&seen.go_on);
}

static void expect_big(struct tls_client *c)
{
    struct bytes got = tls_client_read_all(c), expected = scene_expected(scene_find("big"));

    bytes_normalise(&got);
    bytes_expect(&got, &expected, "big");
    bytes_free(&got);
    bytes_free(&expected);
    tls_client_close(c);
}

static void end(struct tls_client *clients)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        cr_assert(tls_client_handshake(&clients[i]), "client %zu", i);
        tls_client_close(&clients[i]);
    }
    fixture_settle();
    cr_assert_eq(fixture_stats()->tls_failed, 0);
    fixture_stop();
}

Test(tls_turns, handshakes_in_debt_wait_while_a_transfer_works, .timeout = 60)
{
    static struct tls_client clients[CLIENTS], transfer;

    begin(&transfer, clients);
    hold_and_push(&transfer, clients, keep_busy);
    while (seen.sends < 60)
        sleep_ms(1);
    cr_assert_eq(fixture_stats()->tls_handshakes, 1);
    cr_assert_eq(seen.queued, CLIENTS, "%u wait", seen.queued);
    expect_big(&transfer);
    faults_end();
    end(clients); // idle turns forgive the debt
}

// Called before each send, which are now those of the handshakes: the one that is being served has
// left the queue.
static void note_served(void)
{
    struct worker *w = fixture_worker();

    if (list_empty(&w->handshakes))
        return;
    seen.answered[seen.served++] = list_first(&w->handshakes, struct conn, idle_node)->number;
}

// As keep_busy(), until all have queued up. Then they are served at once, one behind the other.
static void queue_up_and_serve(void)
{
    struct worker *w = fixture_worker();
    unsigned n = 0;

    keep_busy();
    if (seen.queued < CLIENTS)
        return;
    list_each (node, &w->handshakes)
        seen.order[n++] = container_of(node, struct conn, idle_node)->number;
    fault_order(&(struct fault){.calls = FAULT_SENDS, .act = note_served});
    w->handshake_debt_ns = -FOR_EVER_NS;
    conn_handshakes_run(w);
    seen.queued = queue_length(w);
    faults_end();
    sem_post(&seen.waits);
}

Test(tls_turns, handshakes_are_served_in_order_and_each_once, .timeout = 60)
{
    static struct tls_client clients[CLIENTS], transfer;

    begin(&transfer, clients);
    hold_and_push(&transfer, clients, queue_up_and_serve);
    sem_wait(&seen.waits);
    cr_assert_eq(seen.queued, 0);
    cr_assert_eq(seen.served, CLIENTS - 1);
    cr_assert_eq(memcmp(seen.answered, seen.order + 1, (CLIENTS - 1) * sizeof(seen.order[0])), 0);
    expect_big(&transfer);
    end(clients);
}

// A turn's work buys a step: with the debt just paid, one is taken, and what it took is owed.
static void one_step_for_a_debt_just_paid(void)
{
    struct worker *w = fixture_worker();

    keep_busy();
    if (seen.queued < CLIENTS)
        return;
    // What this turn has cost up to now, and a step more than that at most.
    w->handshake_debt_ns = (int64_t)(clock_read_ns() - clock_now()->mono_ns);
    conn_handshakes_run(w);
    seen.served = CLIENTS - queue_length(w);
    seen.order[0] = (uint64_t)w->handshake_debt_ns;
    faults_end();
    sem_post(&seen.waits);
}

Test(tls_turns, a_debt_just_paid_buys_one_step, .timeout = 60)
{
    static struct tls_client clients[CLIENTS], transfer;

    begin(&transfer, clients);
    hold_and_push(&transfer, clients, one_step_for_a_debt_just_paid);
    sem_wait(&seen.waits);
    cr_assert_eq(seen.served, 1);
    cr_assert_gt((int64_t)seen.order[0], 0, "the step is owed");
    expect_big(&transfer);
    end(clients);
}

#define PART (CONN_PENDING_MAX + 10000)

static void send_part(struct tls_client *c, size_t from, size_t to)
{
    const char *bytes;
    size_t n = tls_client_output(c, &bytes);

    client_send_n(c->fd, bytes + from, min_of(n, to) - from);
    if (to >= n)
        tls_client_sent(c);
}

// More than CONN_PENDING_MAX of a hello comes while its client waits for its turn: receiving is
// paused, and must go on when the turn has come.
Test(tls_turns, a_large_hello_that_waited_is_received_to_its_end, .timeout = 60)
{
    static struct tls_client clients[CLIENTS], transfer;
    static unsigned char names[60000];

    for (size_t i = 0; i < sizeof(names); i += 200)
        names[i] = 199; // protocols that nobody knows
    begin(&transfer, clients);
    for (size_t i = 0; i < CLIENTS; i++) {
        tls_client_sent(&clients[i]);
        SSL_free(clients[i].ssl);
        tls_client_begin(&clients[i], clients[i].fd);
        cr_assert_eq(SSL_set_alpn_protos(clients[i].ssl, names, sizeof(names)), 0);
        (void)tls_client_step(&clients[i]);
    }
    fault_order(&(struct fault){.calls = FAULT_SENDS, .act = keep_busy});
    tls_client_send(&transfer, scene_find("big")->request);
    sem_wait(&seen.waits);
    for (size_t i = 0; i < CLIENTS; i++)
        send_part(&clients[i], 0, PART);
    sem_post(&seen.go_on);
    while (seen.queued < CLIENTS || seen.sends < 40)
        sleep_ms(1);
    for (size_t i = 0; i < CLIENTS; i++)
        send_part(&clients[i], PART, SIZE_MAX);
    expect_big(&transfer);
    faults_end();
    for (size_t i = 0; i < CLIENTS; i++) {
        cr_assert_not(tls_client_handshake(&clients[i]));
        cr_assert_eq(tls_client_alert(), SSL_AD_NO_APPLICATION_PROTOCOL);
        tls_client_close(&clients[i]);
    }
    fixture_stop();
}
