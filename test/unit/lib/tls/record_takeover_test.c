// SPDX-License-Identifier: Apache-2.0
//
// How the record layer takes over from OpenSSL: after whatever handshake, it goes on exactly where
// the server's OpenSSL has stopped, which the client's proves with each record it opens. A count
// that is wrong by one would use a nonce twice. Where it cannot know, it must not try.
#include "test/unit/lib/tls/record_exchange_fixture.h"

#include <criterion/criterion.h>

#include "lib/base/check.h"

// Both handshakes, the whole one and one with its ticket, with as many tickets as were told.
static void try_handshakes(int tickets, void (*prepare)(struct ends *e))
{
    cr_assert_eq(SSL_CTX_set_num_tickets(context->ssl_ctx, (size_t)tickets), 1);
    for (size_t i = 0; i < array_len(suites); i++) {
        for (int resumed = 0; resumed < (tickets != 0 ? 2 : 1); resumed++) {
            struct ends e = open_ends(suites[i], resumed ? ticket : NULL);
            if (prepare != NULL)
                prepare(&e);
            shake(&e);
            cr_assert_eq(SSL_session_reused(e.client), resumed);
            // With OpenSSL 3.0 each ticket is a record; the client's word is what counts.
            uint64_t sent = e.t->secrets.sent;
            take_over(&e);
            exchange(&e);
            cr_assert_eq(tls_records_aead(e.r), i);
            cr_assert_eq(tickets_seen, resumed ? 1u : (unsigned)tickets);
            cr_assert_eq(sent, tickets_seen);
            close_ends(&e);
        }
    }
}

Test(record_takeover, it_goes_on_behind_any_number_of_tickets)
{
    static const int numbers[] = {0, 1, 2, 5};

    make_watched_context();
    for (size_t i = 0; i < array_len(numbers); i++)
        try_handshakes(numbers[i], NULL);
}

static int any_certificate(int ok, X509_STORE_CTX *store)
{
    (void)ok;
    (void)store;
    return 1;
}

static void with_certificate(struct ends *e)
{
    cr_assert_eq(SSL_use_certificate(e->client, identity.x509), 1);
    cr_assert_eq(SSL_use_PrivateKey(e->client, identity.key), 1);
}

Test(record_takeover, it_goes_on_behind_a_client_certificate)
{
    make_watched_context();
    SSL_CTX_set_verify(context->ssl_ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       any_certificate);
    try_handshakes(2, with_certificate);
    try_handshakes(0, with_certificate);
}

Test(record_takeover, it_goes_on_behind_a_hello_retry_request)
{
    make_watched_context();
    cr_assert_eq(SSL_CTX_set1_groups_list(context->ssl_ctx, "P-384"), 1);
    try_handshakes(2, NULL);
    try_handshakes(0, NULL);
}

Test(record_takeover, it_goes_on_behind_early_data_that_was_answered_before_the_end)
{
    char buf[64];
    size_t n, got;

    settings.early_data = true;
    make_watched_context();
    struct ends e = open_ends(suites[0], NULL);
    shake(&e);
    client_reads(&e, "", 0); // the tickets
    close_ends(&e);
    e = open_ends(suites[0], ticket);
    cr_assert_eq(SSL_write_early_data(e.client, "early", 5, &got), 1);
    char *bytes = take_sent(&e, &n);
    tls_feed(e.t, bytes, n);
    cr_assert_eq(tls_handshake(e.t), TLS_EARLY);
    cr_assert_eq(tls_read(e.t, buf, sizeof(buf), &got), TLS_DONE);
    cr_assert_eq(tls_seal(e.t, big, 3000, 1000), 0);
    cr_assert_eq(e.t->secrets.sent, 3);
    cr_assert_null(tls_records_new(e.t->ssl, &e.t->secrets), "the handshake goes on");
    e.t->in_len = 0;
    free(bytes);
    flush_server(&e);
    cr_assert_eq(SSL_do_handshake(e.client), 1);
    bytes = take_sent(&e, &n);
    tls_feed(e.t, bytes, n);
    while (!e.t->handshake_done && tls_read(e.t, buf, sizeof(buf), &got) == TLS_DONE)
        ;
    free(bytes);
    flush_server(&e);
    take_over(&e);
    client_reads(&e, big, 3000);
    exchange(&e);
    close_ends(&e);
}

Test(record_takeover, it_goes_on_behind_data_that_openssl_has_read_and_sent)
{
    char buf[64];
    size_t n, got;

    make_watched_context();
    struct ends e = open_ends(suites[1], NULL);
    shake(&e);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(SSL_write(e.client, "abc", 3), 3);
    char *bytes = take_sent(&e, &n);
    tls_feed(e.t, bytes, n);
    while (tls_read(e.t, buf, sizeof(buf), &got) == TLS_DONE)
        cr_assert_eq(got, 3);
    free(bytes);
    cr_assert_eq(tls_seal(e.t, big, 20000, TLS_RECORD_MAX), 0);
    flush_server(&e);
    cr_assert_eq(e.t->secrets.received, 3);
    take_over(&e);
    client_reads(&e, big, 20000);
    exchange(&e);
    close_ends(&e);
}

static void stays_with_openssl(struct ends *e)
{
    shake(e);
    cr_assert_null(tls_records_new(e->t->ssl, &e->t->secrets));
    close_ends(e);
}

Test(record_takeover, connections_it_cannot_go_on_with_stay_with_openssl)
{
    make_watched_context();
    struct ends e = open_ends(suites[0], NULL);
    SSL_set_max_proto_version(e.client, TLS1_2_VERSION);
    stays_with_openssl(&e);

    SSL_CTX_set_ciphersuites(context->ssl_ctx, "TLS_AES_128_CCM_SHA256");
    e = open_ends("TLS_AES_128_CCM_SHA256", NULL);
    stays_with_openssl(&e);
    SSL_CTX_set_ciphersuites(context->ssl_ctx, suites[0]);

    e = open_ends(suites[0], NULL);
    SSL_set_tlsext_max_fragment_length(e.client, TLSEXT_max_fragment_length_512);
    stays_with_openssl(&e);

    e = open_ends(suites[0], NULL);
    cr_assert_null(tls_records_new(e.t->ssl, &e.t->secrets), "no handshake yet");
    close_ends(&e);
}

Test(record_takeover, a_missing_callback_is_no_count_of_zero)
{
    make_watched_context();
    SSL_CTX_set_msg_callback(context->ssl_ctx, NULL);
    struct ends e = open_ends(suites[0], NULL);
    stays_with_openssl(&e);
}

// As where openssl.cnf demands other providers.
Test(record_takeover, another_providers_key_schedule_is_not_seen)
{
    make_watched_context();
    SSL_CTX *ours = context->ssl_ctx, *other = SSL_CTX_new(TLS_server_method());
    cr_assert_eq(SSL_CTX_use_certificate(other, identity.x509), 1);
    cr_assert_eq(SSL_CTX_use_PrivateKey(other, identity.key), 1);
    tls_secrets_watch(other);
    context->ssl_ctx = other;
    struct ends e = open_ends(suites[0], NULL);
    context->ssl_ctx = ours;
    stays_with_openssl(&e);
    SSL_CTX_free(other);
}

Test(record_takeover, what_others_derive_on_the_thread_is_not_the_connections)
{
    make_watched_context();
    struct ends e = open_ends(suites[1], NULL), other = open_ends(suites[1], NULL);
    shake(&e);
    shake(&other);
    take_over(&e);
    take_over(&other);
    cr_assert_neq(memcmp(tls_records_sending(e.r)->secret, tls_records_sending(other.r)->secret,
                         48), 0);
    exchange(&e);
    exchange(&other);
    close_ends(&e);
    close_ends(&other);
}

// Feeds the first `n` bytes of what the client has sent to OpenSSL, which reads at most `size`
// bytes of content, and asks for the connection.
static void feed_part(struct ends *e, size_t n, size_t size)
{
    char buf[64];
    size_t all, got;

    cr_assert_eq(SSL_write(e->client, "hello", 5), 5);
    char *bytes = take_sent(e, &all);
    tls_feed(e->t, bytes, min_of(n, all));
    cr_assert_eq(tls_read(e->t, buf, size, &got), n < all ? TLS_WANT_INPUT : TLS_DONE);
    cr_assert_null(tls_records_new(e->t->ssl, &e->t->secrets), "%zu bytes", n);
    e->t->in_len = 0;
    free(bytes);
    close_ends(e);
}

Test(record_takeover, what_openssl_holds_a_part_of_stays_with_it)
{
    make_watched_context();
    for (size_t n = 1; n <= 27; n++) { // the record has 27 bytes
        struct ends e = open_ends(suites[0], NULL);
        shake(&e);
        feed_part(&e, n, 1);
    }
}

Test(record_takeover, secrets_that_a_key_update_has_replaced_are_of_no_use)
{
    make_watched_context();
    struct ends e = open_ends(suites[0], NULL);
    shake(&e);
    cr_assert_eq(SSL_key_update(e.client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    feed_part(&e, 1000, 64);

    e = open_ends(suites[0], NULL);
    shake(&e);
    cr_assert_eq(SSL_key_update(e.t->ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    cr_assert_eq(tls_seal(e.t, big, 10, TLS_RECORD_MAX), 0);
    cr_assert_null(tls_records_new(e.t->ssl, &e.t->secrets), "our own");
    close_ends(&e);
}

Test(record_takeover, secrets_are_wiped)
{
    static const struct tls_secrets none;

    make_watched_context();
    struct ends e = connect_ends(suites[1], NULL);
    cr_assert_eq(e.t->secrets.server_len, 48);
    cr_assert_eq(memcmp(e.t->secrets.server, tls_records_sending(e.r)->secret, 48), 0);
    tls_secrets_wipe(&e.t->secrets);
    cr_assert_eq(memcmp(&e.t->secrets, &none, sizeof(none)), 0);
    exchange(&e);
    close_ends(&e);
}
