// SPDX-License-Identifier: Apache-2.0
//
// The record layer against OpenSSL's own client, over memory: data of all sizes in pieces of all
// sizes, new keys, and the ends of a connection.
#include "test/unit/lib/tls/record_exchange_fixture.h"

#include <criterion/criterion.h>
#include <openssl/err.h>

#include "lib/base/check.h"
#include "lib/tls/kernel.h"

Test(record_layer, sizes_of_all_kinds_in_records_of_all_kinds)
{
    static const size_t sizes[] = {1, 2, 15, 16, 17, 255, 256, 1000, 4095, 4096, 4097, 16383,
                                   16384, 16385, 32768, 100000, sizeof(big)};
    static const size_t limits[] = {TLS_RECORD_MAX, 4096, 1369, 100};

    make_watched_context();
    for (size_t i = 0; i < array_len(suites); i++) {
        struct ends e = connect_ends(suites[i], NULL);
        for (size_t s = 0; s < array_len(sizes); s++) {
            for (size_t l = 0; l < array_len(limits); l++)
                server_writes(&e, sizes[s], limits[l]);
            client_writes(&e, sizes[s], sizes[s] + 22);
        }
        server_writes(&e, 300, 1);
        server_writes(&e, 0, 1);
        close_ends(&e);
    }
}

Test(record_layer, pieces_of_any_size)
{
    static const size_t pieces[] = {1, 2, 4, 5, 6, 21, 22, 23, 1000, 16405, 16406, 16407};

    make_watched_context();
    for (size_t i = 0; i < array_len(suites); i++) {
        struct ends e = connect_ends(suites[i], NULL);
        for (size_t p = 0; p < array_len(pieces); p++)
            client_writes(&e, 40000, pieces[p]);
        close_ends(&e);
    }
}

Test(record_layer, the_clients_key_updates_are_followed_and_answered)
{
    make_watched_context();
    for (size_t i = 0; i < array_len(suites); i++) {
        struct ends e = connect_ends(suites[i], NULL);
        for (int round = 0; round < 100; round++) {
            bool wanted = round % 3 != 0;
            cr_assert_eq(SSL_key_update(e.client, wanted ? SSL_KEY_UPDATE_REQUESTED
                                                         : SSL_KEY_UPDATE_NOT_REQUESTED), 1);
            client_writes(&e, 3, 1 + (size_t)round);
            cr_assert_eq(tls_records_owes_update(e.r), wanted);
            server_writes(&e, round % 2 ? 40000 : 0, TLS_RECORD_MAX);
            cr_assert_not(tls_records_owes_update(e.r), "also without data");
        }
        exchange(&e);
        close_ends(&e);
    }
}

Test(record_layer, many_requests_get_one_answer)
{
    make_watched_context();
    struct ends e = connect_ends(suites[0], NULL);

    for (int i = 0; i < 10; i++) {
        cr_assert_eq(SSL_key_update(e.client, SSL_KEY_UPDATE_REQUESTED), 1);
        cr_assert_eq(SSL_do_handshake(e.client), 1);
    }
    cr_assert_eq(server_reads(&e, 1000), TLS_OPENED_MORE);
    server_writes(&e, 10, TLS_RECORD_MAX);
    cr_assert_eq(tls_records_sending(e.r)->seq, 1);
    exchange(&e);
    close_ends(&e);
}

Test(record_layer, our_own_key_is_updated_before_it_wears_out)
{
    make_watched_context();
    for (size_t i = 0; i < array_len(suites); i++) {
        struct ends e = connect_ends(suites[i], NULL);
        e.r->update_after = 5;
        for (int round = 0; round < 30; round++) {
            server_writes(&e, 100, 50);
            cr_assert_leq(tls_records_sending(e.r)->seq, 6);
        }
        exchange(&e);
        close_ends(&e);
    }
}

Test(record_layer, close_notify_goes_both_ways)
{
    char alert[TLS_ALERT_SEALED];
    size_t len;

    make_watched_context();
    struct ends e = connect_ends(suites[2], NULL);
    SSL_shutdown(e.client);
    cr_assert_eq(server_reads(&e, 7), TLS_OPENED_CLOSED);
    cr_assert_eq(tls_records_alert(e.r, TLS_ALERT_WARNING, TLS_CLOSE_NOTIFY, alert, &len), 0);
    to_client(&e, alert, len);
    cr_assert_eq(SSL_shutdown(e.client), 1, "both have been seen");
    close_ends(&e);
}

Test(record_layer, our_fatal_alert_reaches_the_client)
{
    char alert[TLS_ALERT_SEALED], buf[8];
    size_t len;

    make_watched_context();
    struct ends e = connect_ends(suites[0], NULL);
    cr_assert_eq(tls_records_alert(e.r, TLS_ALERT_FATAL, TLS_BAD_RECORD_MAC, alert, &len), 0);
    to_client(&e, alert, len);
    cr_assert_leq(SSL_read(e.client, buf, sizeof(buf)), 0);
    cr_assert_eq(ERR_GET_REASON(ERR_peek_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
    ERR_clear_error();
    close_ends(&e);
}

Test(record_layer, the_clients_fatal_alert_ends_the_reading)
{
    char buf[8];
    size_t len;

    make_watched_context();
    struct ends e = connect_ends(suites[0], NULL);
    char sealed[64];
    cr_assert_eq(tls_records_seal(e.r, "x", 1, 1, sealed, &len), 0);
    sealed[len - 1] ^= 1;
    to_client(&e, sealed, len);
    cr_assert_leq(SSL_read(e.client, buf, sizeof(buf)), 0);
    ERR_clear_error();
    cr_assert_eq(server_reads(&e, 1), TLS_OPENED_ABORT);
    cr_assert_eq(out.alert, TLS_BAD_RECORD_MAC);
    close_ends(&e);
}

Test(record_layer, a_truncated_record_waits_and_is_freed)
{
    size_t n;

    make_watched_context();
    struct ends e = connect_ends(suites[0], NULL);
    cr_assert_eq(SSL_write(e.client, big, 1000), 1000);
    char *bytes = take_sent(&e, &n);
    out.n = 0;
    cr_assert_eq(open_all(e.r, bytes, n - 1, 300, &out), TLS_OPENED_MORE);
    cr_assert_eq(out.n, 0);
    cr_assert_not(tls_records_at_boundary(e.r));
    free(bytes);
    close_ends(&e);
}
