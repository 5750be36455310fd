// SPDX-License-Identifier: Apache-2.0
//
// struct tls through memory against OpenSSL's own client: whatever pieces the bytes come in, both
// sides read what the other wrote; what a client may do in between is answered, and what is hostile
// fails with an alert.
#include <criterion/criterion.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/tls/ticket_keys.h"
#include "lib/tls/tls.h"
#include "test/unit/lib/tls/own_context_fixture.h"

static bool no_memory; // the output gets none

static bool reserve(struct tls_output *out, size_t more)
{
    size_t cap = out->len + more;
    char *p = no_memory ? NULL : realloc(out->p, cap);

    if (p == NULL)
        return false;
    out->p = p;
    out->cap = cap;
    return true;
}

// Both ends. The client's bytes wait in the memory BIO `sent`.
struct ends {
    struct tls *t;
    SSL *client;
    BIO *sent;
};

static SSL_SESSION *ticket;

static int keep_ticket(SSL *ssl, SSL_SESSION *s)
{
    (void)ssl;
    SSL_SESSION_free(ticket);
    ticket = s;
    return 1;
}

static struct ends open_ends(int version, SSL_SESSION *session)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct ends e = {.client = SSL_new(ctx)};

    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_ticket);
    SSL_CTX_free(ctx);
    e.sent = BIO_new(BIO_s_mem());
    SSL_set_bio(e.client, BIO_new(BIO_s_mem()), e.sent);
    SSL_set_max_proto_version(e.client, version);
    SSL_set_connect_state(e.client);
    if (session != NULL)
        cr_assert_eq(SSL_set_session(e.client, session), 1);
    e.t = tls_open(context, -1, TLS_THROUGH_MEMORY, NULL);
    cr_assert_not_null(e.t);
    e.t->out.reserve = reserve;
    return e;
}

static void close_ends(struct ends *e)
{
    free(e->t->out.p);
    tls_free(e->t);
    SSL_free(e->client);
}

static void to_client(struct ends *e)
{
    struct tls_output *out = &e->t->out;

    if (out->len != out->off)
        cr_assert_gt(BIO_write(SSL_get_rbio(e->client), out->p + out->off,
                               (int)(out->len - out->off)), 0);
    out->off = out->len = 0;
}

// The client's bytes in pieces of at most `piece`; false when the handshake failed.
static enum tls_result to_server(struct ends *e, size_t piece)
{
    char *bytes;
    size_t n = (size_t)BIO_get_mem_data(e->sent, &bytes);
    char *copy = malloc(n + 1), *at = copy;
    enum tls_result result = TLS_WANT_INPUT;

    memcpy(copy, bytes, n);
    (void)BIO_reset(e->sent);
    while (n != 0 && result == TLS_WANT_INPUT) {
        size_t part = min_of(n, piece);
        tls_feed(e->t, at, part);
        result = tls_handshake(e->t);
        size_t used = part - e->t->in_len;
        e->t->in_len = 0;
        at += used;
        n -= used;
        cr_assert(used != 0 || result != TLS_WANT_INPUT);
    }
    free(copy);
    return result;
}

static void shake(struct ends *e, size_t piece)
{
    enum tls_result result = TLS_WANT_INPUT;

    for (int i = 0; i < 8 && result == TLS_WANT_INPUT; i++) {
        (void)SSL_do_handshake(e->client);
        result = to_server(e, piece);
        to_client(e);
    }
    cr_assert_eq(result, TLS_DONE);
    cr_assert_eq(SSL_do_handshake(e->client), 1);
}

// All that the server reads of what the client has written.
static size_t server_reads(struct ends *e, char *buf, size_t size, enum tls_result *last)
{
    char *bytes;
    size_t n = (size_t)BIO_get_mem_data(e->sent, &bytes), total = 0, got;
    char *copy = malloc(n + 1);

    memcpy(copy, bytes, n);
    (void)BIO_reset(e->sent);
    tls_feed(e->t, copy, n);
    char *record = malloc(TLS_RECORD_MAX);
    while ((*last = tls_read(e->t, record, TLS_RECORD_MAX, &got)) == TLS_DONE) {
        cr_assert_leq(total + got, size);
        memcpy(buf + total, record, got);
        total += got;
    }
    free(record);
    e->t->in_len = 0;
    free(copy);
    return total;
}

static void client_reads(struct ends *e, const char *expected, size_t n)
{
    char *buf = malloc(n + 1);
    size_t total = 0, got;

    to_client(e);
    while (total < n && SSL_read_ex(e->client, buf + total, n - total, &got) == 1)
        total += got;
    cr_assert_eq(total, n);
    cr_assert_eq(memcmp(buf, expected, n), 0);
    free(buf);
}

static void exchange(struct ends *e)
{
    char in[TLS_RECORD_MAX], big[100000];
    enum tls_result last;

    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 31 + i / 7);
    cr_assert_eq(SSL_write(e->client, "GET", 3), 3);
    cr_assert_eq(server_reads(e, in, sizeof(in), &last), 3);
    cr_assert_eq(last, TLS_WANT_INPUT);
    cr_assert_eq(memcmp(in, "GET", 3), 0);
    cr_assert_eq(tls_seal(e->t, big, sizeof(big), TLS_RECORD_MAX), 0);
    client_reads(e, big, sizeof(big));
}

static void try_pieces(int version)
{
    static const size_t pieces[] = {1, 2, 5, 100, 100000};

    make_context();
    for (size_t i = 0; i < array_len(pieces); i++) {
        struct ends e = open_ends(version, NULL);
        shake(&e, pieces[i]);
        cr_assert_eq(SSL_version(e.client), version);
        exchange(&e);
        cr_assert_eq(tls_kernel(e.t), 0);
        close_ends(&e);
    }
}

Test(tls, tls_1_3_in_pieces_of_any_size)
{
    try_pieces(TLS1_3_VERSION);
}

Test(tls, tls_1_2_in_pieces_of_any_size)
{
    try_pieces(TLS1_2_VERSION);
}

Test(tls, close_notify_goes_both_ways)
{
    enum tls_result last;
    char buf[16];

    make_context();
    struct ends e = open_ends(TLS1_3_VERSION, NULL);
    shake(&e, 1000);
    SSL_shutdown(e.client);
    cr_assert_eq(server_reads(&e, buf, sizeof(buf), &last), 0);
    cr_assert_eq(last, TLS_CLOSED);
    tls_close(e.t);
    tls_close(e.t);
    to_client(&e);
    cr_assert_eq(SSL_shutdown(e.client), 1, "both have been seen");
    close_ends(&e);
}

Test(tls, a_key_update_is_followed_and_answered)
{
    enum tls_result last;
    char buf[64];

    make_context();
    struct ends e = open_ends(TLS1_3_VERSION, NULL);
    shake(&e, 1000);
    for (int round = 0; round < 3; round++) {
        bool wanted = round != 1;
        cr_assert_eq(SSL_key_update(e.client, wanted ? SSL_KEY_UPDATE_REQUESTED
                                                     : SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        cr_assert_eq(SSL_write(e.client, "x", 1), 1);
        cr_assert_eq(server_reads(&e, buf, sizeof(buf), &last), 1);
        cr_assert_eq(last, TLS_WANT_INPUT);
        cr_assert_eq(tls_owes_key_update(e.t), wanted);
        exchange(&e);
        cr_assert_not(tls_owes_key_update(e.t));
    }
    close_ends(&e);
}

Test(tls, renegotiation_is_refused_and_the_connection_lives)
{
    enum tls_result last;
    char buf[64];

    make_context();
    struct ends e = open_ends(TLS1_2_VERSION, NULL);
    shake(&e, 1000);
    cr_assert_eq(SSL_renegotiate(e.client), 1);
    (void)SSL_do_handshake(e.client);
    cr_assert_eq(server_reads(&e, buf, sizeof(buf), &last), 0);
    cr_assert_eq(last, TLS_WANT_INPUT);
    cr_assert_gt(e.t->out.len, 0, "a no_renegotiation alert");
    cr_assert_eq(tls_seal(e.t, "still here", 10, TLS_RECORD_MAX), 0);
    close_ends(&e);
}

Test(tls, records_are_no_larger_than_wanted)
{
    char data[9000];

    make_context();
    struct ends e = open_ends(TLS1_3_VERSION, NULL);
    shake(&e, 1000);
    memset(data, 'a', sizeof(data));
    e.t->out.len = 0;
    cr_assert_eq(tls_seal(e.t, data, sizeof(data), 4096), 0);
    unsigned records = 0;
    for (size_t at = 0; at < e.t->out.len; records++) {
        const unsigned char *head = (const unsigned char *)e.t->out.p + at;
        size_t len = (size_t)head[3] << 8 | head[4];
        cr_assert_eq(head[0], 23);
        cr_assert_leq(len, 4096 + TLS_RECORD_OVERHEAD - 5);
        at += 5 + len;
    }
    cr_assert_eq(records, 3);
    close_ends(&e);
}

Test(tls, garbage_fails_with_an_alert_and_is_the_clients_fault)
{
    static const char *const inputs[] = {
        "\x16\x03\x01\x00\x05hello", "\x16\x03\x01\x00\x04\x01\xff\xff\xff",
        "\x17\x03\x03\x00\x01x", "\x15\x03\x01\x00\x02\x02\x28", 
        "\x80\x09\x01\x03\x01\xff\xff\xff\xff\xff\xff",
    };
    static const size_t lengths[] = {10, 9, 6, 7, 11};
    char why[TLS_ERROR_MAX];

    make_context();
    for (size_t i = 0; i < array_len(inputs); i++) {
        struct ends e = open_ends(TLS1_3_VERSION, NULL);
        bool client_fault = false;
        tls_feed(e.t, inputs[i], lengths[i]);
        enum tls_result result = tls_handshake(e.t);
        if (result == TLS_WANT_INPUT) // a message that is said to be long
            cr_assert_eq(i, 1);
        else
            cr_assert_eq(result, TLS_FAILED, "input %zu", i);
        if (result == TLS_FAILED) {
            tls_failure(e.t, why, &client_fault);
            cr_assert(client_fault, "%s", why);
            cr_assert(strstr(why, "SSL_do_handshake() failed (SSL: ") == why, "%s", why);
        }
        e.t->in_len = 0;
        close_ends(&e);
    }
}

Test(tls, a_broken_record_fails_the_connection)
{
    char buf[64], *bytes;
    size_t got;

    make_context();
    struct ends e = open_ends(TLS1_3_VERSION, NULL);
    shake(&e, 1000);
    cr_assert_eq(SSL_write(e.client, "hello", 5), 5);
    long n = BIO_get_mem_data(e.sent, &bytes);
    bytes[n - 1] ^= 1;
    tls_feed(e.t, bytes, (size_t)n);
    cr_assert_eq(tls_read(e.t, buf, sizeof(buf), &got), TLS_FAILED);
    cr_assert_eq(tls_seal(e.t, "x", 1, TLS_RECORD_MAX), -EIO, "nothing more may be said");
    close_ends(&e);
}

Test(tls, no_memory_for_records_is_reported)
{
    make_context();
    struct ends e = open_ends(TLS1_3_VERSION, NULL);
    shake(&e, 1000);
    free(e.t->out.p);
    e.t->out = (struct tls_output){.reserve = reserve};
    no_memory = true;
    cr_assert_eq(tls_seal(e.t, "x", 1, TLS_RECORD_MAX), -ENOMEM);
    no_memory = false;
    exchange(&e);
    close_ends(&e);
}

// Sealed tickets, so that a second connection can send early data.
static SSL_SESSION *get_ticket(void)
{
    struct ends e = open_ends(TLS1_3_VERSION, NULL);

    shake(&e, 1000);
    exchange(&e); // the ticket is read on the way
    // A session that ended without a word would be taken for a bad one.
    SSL_set_shutdown(e.client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    close_ends(&e);
    cr_assert_not_null(ticket);
    cr_assert_gt(SSL_SESSION_get_max_early_data(ticket), 0);
    return ticket;
}

Test(tls, early_data_is_read_and_answered_before_the_handshake_ends)
{
    char buf[64], why[TLS_ERROR_MAX], flight[4096], *bytes;
    size_t written, got, total = 0;

    settings.early_data = true;
    settings.session_tickets = true;
    settings.tickets = tls_ticket_keys_new();
    make_context();
    struct ends e = open_ends(TLS1_3_VERSION, get_ticket());
    cr_assert_eq(SSL_write_early_data(e.client, "GET /early", 10, &written), 1, "%s",
                 (tls_error_text(why), why));
    long n = BIO_get_mem_data(e.sent, &bytes);
    memcpy(flight, bytes, (size_t)n);
    (void)BIO_reset(e.sent);
    tls_feed(e.t, flight, (size_t)n);
    cr_assert_eq(tls_handshake(e.t), TLS_EARLY);
    cr_assert_eq(tls_handshake(e.t), TLS_EARLY, "asking again changes nothing");
    cr_assert_not(e.t->handshake_done);
    // The byte that showed it, and what stands behind it.
    while (total < 10) {
        enum tls_result result = tls_read(e.t, buf + total, sizeof(buf) - total, &got);
        cr_assert_eq(result, TLS_DONE);
        total += got;
    }
    cr_assert_eq(memcmp(buf, "GET /early", 10), 0);
    cr_assert_eq(tls_seal(e.t, "answer", 6, TLS_RECORD_MAX), 0);
    to_client(&e);
    cr_assert_eq(SSL_do_handshake(e.client), 1);
    client_reads(&e, "answer", 6);
    exchange(&e);
    cr_assert(e.t->handshake_done);
    close_ends(&e);
    tls_ticket_keys_free(settings.tickets);
}

// The same exchanges once more, with OpenSSL's object gone on our side.
static void take_over(int version, bool possible)
{
    enum tls_result last;
    char buf[TLS_RECORD_MAX];

    make_context();
    struct ends e = open_ends(version, NULL);
    shake(&e, 1000);
    cr_assert_eq(tls_take_over(e.t), possible);
    cr_assert_eq(e.t->ssl == NULL, possible);
    exchange(&e);
    exchange(&e);
    if (version == TLS1_3_VERSION) {
        cr_assert_eq(SSL_key_update(e.client, SSL_KEY_UPDATE_REQUESTED), 1);
        cr_assert_eq(SSL_write(e.client, "x", 1), 1);
        cr_assert_eq(server_reads(&e, buf, sizeof(buf), &last), 1);
        cr_assert(tls_owes_key_update(e.t));
        exchange(&e);
        cr_assert_not(tls_owes_key_update(e.t));
    }
    SSL_shutdown(e.client);
    cr_assert_eq(server_reads(&e, buf, sizeof(buf), &last), 0);
    cr_assert_eq(last, TLS_CLOSED);
    tls_close(e.t);
    to_client(&e);
    cr_assert_eq(SSL_shutdown(e.client), 1);
    close_ends(&e);
}

Test(tls, after_tls_1_3_the_record_layer_takes_over)
{
    take_over(TLS1_3_VERSION, true);
}

Test(tls, tls_1_2_stays_with_openssl)
{
    take_over(TLS1_2_VERSION, false);
}

Test(tls, padded_records_stay_with_openssl)
{
    struct tls_command padding = {.name = "RecordPadding", .value = "512"};

    settings.commands = &padding;
    take_over(TLS1_3_VERSION, false);
}

Test(tls, a_record_that_the_layer_refuses_is_answered_with_an_alert)
{
    char buf[TLS_RECORD_MAX], why[TLS_ERROR_MAX], *bytes;
    bool client_fault;
    size_t got;

    make_context();
    struct ends e = open_ends(TLS1_3_VERSION, NULL);
    shake(&e, 1000);
    cr_assert(tls_take_over(e.t));
    cr_assert_eq(SSL_write(e.client, "hello", 5), 5);
    long n = BIO_get_mem_data(e.sent, &bytes);
    bytes[n - 1] ^= 1;
    tls_feed(e.t, bytes, (size_t)n);
    cr_assert_eq(tls_read(e.t, buf, sizeof(buf), &got), TLS_FAILED);
    tls_failure(e.t, why, &client_fault);
    cr_assert(client_fault);
    cr_assert_str_eq(why, "TLS record was refused (alert 20: bad record mac)");
    to_client(&e);
    cr_assert_leq(SSL_read(e.client, buf, sizeof(buf)), 0);
    cr_assert_eq(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
    cr_assert_eq(tls_seal(e.t, "x", 1, TLS_RECORD_MAX), -EIO);
    close_ends(&e);
}

Test(tls, without_early_data_the_handshake_is_as_ever)
{
    settings.early_data = true;
    settings.session_tickets = true;
    settings.tickets = tls_ticket_keys_new();
    make_context();
    struct ends e = open_ends(TLS1_3_VERSION, NULL);
    shake(&e, 3);
    exchange(&e);
    close_ends(&e);
}
