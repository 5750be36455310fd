// SPDX-License-Identifier: Apache-2.0
//
// Units in records of our own: full ones, however the units lie, and no more of them than a reader
// takes. The other end opens them with the same keys.
#include "test/unit/lib/tls/record_fixture.h"
#include "test/unit/server/transport/units_fixture.h"

TestSuite(units_userspace, .init = setup, .fini = teardown, .timeout = 60);

// The record layers of both ends.
static struct tls tls;
static struct tls_records *client;
static struct opened opened;

static void open_tls(void)
{
    tls = (struct tls){.owner = &f->conn, .handshake_done = true,
                       .records = pair_of_layers(TLS_AEAD_AES_128_GCM, &client),
                       .out.reserve = records_reserve};
    f->conn.tls = &tls;
    f->conn.transport = &transport_userspace;
    f->conn.batch = RECORD_BATCH / 4;
}

static void close_tls(void)
{
    records_drop(&f->conn);
    tls_records_free(tls.records);
    tls_records_free(client);
}

// All that has come, opened; it must be all of the units.
static void check_opened(void)
{
    opened = (struct opened){0};
    while (opened.n < total) {
        ssize_t n = read(f->client, received, sizeof(received));
        cr_assert_gt(n, 0);
        cr_assert_eq(open_all(client, received, (size_t)n, 5000, &opened), TLS_OPENED_MORE);
    }
    cr_assert_eq(opened.n, total);
    cr_assert_eq(memcmp(opened.data, expected, total), 0);
}

Test(units_userspace, makes_full_records)
{
    size_t from = 0;

    open_tls();
    begin();
    add(f->r, 40, 0, 0);
    add_frames(9, 16375);
    add(f->r, 0, 0, 0);
    cr_assert_eq(send_from(&from), TRANSPORT_DONE);
    check_opened();
    cr_assert_eq(opened.records, (total + TLS_RECORD_MAX - 1) / TLS_RECORD_MAX);
    cr_assert_eq(f->r->response.sent_bytes, total);
    close_tls();
}

Test(units_userspace, obeys_ssl_buffer_size)
{
    size_t from = 0;

    open_tls();
    f->server.tls.buffer_size = 4000;
    begin();
    add_frames(9, 16375);
    cr_assert_eq(send_from(&from), TRANSPORT_DONE);
    check_opened();
    cr_assert_eq(opened.records, (total + 3999) / 4000);
    close_tls();
}

Test(units_userspace, after_every_cut)
{
    open_tls();
    for (size_t cut = 0; cut < 70000; cut += cut < 300 ? 7 : 3571) {
        size_t from = 0;
        add_small();
        add_frames(5, 16375);
        budget = cut;
        cr_assert_eq(send_from(&from), TRANSPORT_AGAIN, "records wait");
        budget = ALL_OF_IT;
        cr_assert_eq(send_from(&from), TRANSPORT_DONE);
        cr_assert_eq(from, nunits);
        check_opened();
        cr_assert_not(records_waiting(&f->conn));
    }
    close_tls();
}

// A reader that takes nothing has one batch sealed ahead, and the more it refuses, the smaller.
Test(units_userspace, seals_little_for_a_slow_reader)
{
    size_t from = 0, before = 0;

    open_tls();
    begin();
    add_frames(12, 16375);
    for (int i = 0; i < 5; i++) {
        budget = 1;
        cr_assert_eq(send_from(&from), TRANSPORT_AGAIN);
        before = i == 1 ? from : before;
    }
    cr_assert_eq(f->conn.batch, RECORD_BATCH_MIN);
    cr_assert_eq(from, before, "nothing is sealed while much waits");
    // Records are full, so the last one may go beyond it.
    cr_assert_leq(tls.out.len - tls.out.off,
                  RECORD_BATCH / 4 + TLS_RECORD_MAX + 12 * TLS_RECORD_OVERHEAD);
    budget = ALL_OF_IT;
    cr_assert_eq(send_from(&from), TRANSPORT_DONE);
    check_opened();
    close_tls();
}

Test(units_userspace, fetches_after_what_stood_before_is_sent)
{
    open_ring();
    open_tls();
    for (int i = 0; i < 2; i++) {
        size_t from = 0;
        f->r->response.fetched_from = f->r->response.fetched_to = 0;
        cold_from = 20000;
        cold_error = i == 0 ? EAGAIN : EOPNOTSUPP;
        begin();
        add_frames(4, 16375);
        budget = 100;
        cr_assert_eq(send_from(&from), TRANSPORT_AGAIN);
        cr_assert_not(op_in_flight(&f->r->fetch));
        budget = ALL_OF_IT;
        cr_assert_eq(send_from(&from), TRANSPORT_FILE);
        cr_assert_not(records_waiting(&f->conn));
        cr_assert(from == 1 && units[1].off == 20000);
        wait_for_fetch();
        cr_assert_eq(send_from(&from), TRANSPORT_DONE);
        check_opened();
    }
    close_tls();
    ring_destroy(&f->worker->ring);
}

Test(units_userspace, errors_end_the_connection_with_a_line)
{
    size_t from = 0;

    open_tls();
    cr_assert_eq(ftruncate(file.fd, 20000), 0);
    begin();
    add(f->r, 0, 0, 20000);
    add(f->r, 0, 20000, 100);
    cr_assert_eq(send_from(&from), TRANSPORT_ERROR);
    cr_assert_not_null(strstr(log_text, "file was truncated while it was being sent"));
    log_text[0] = '\0';
    send_error = EPIPE;
    begin();
    from = 0;
    add(NULL, 8, 0, 0);
    cr_assert_eq(send_from(&from), TRANSPORT_ERROR);
    cr_assert_not_null(strstr(log_text, "[info]"));
    close_tls();
}
