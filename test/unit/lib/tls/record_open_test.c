// SPDX-License-Identifier: Apache-2.0
//
// The record layer with given secrets: the keys and records of RFC 8448, and what a client that has
// the keys may send and may not.
#include "test/unit/lib/tls/record_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "lib/base/check.h"
#include "lib/tls/kernel.h"

static struct opened out;
static char sealed[2 * TLS_RECORD_MAX];

// Hexadecimal with spaces into `p`.
static size_t from_hex(const char *hex, uint8_t *p)
{
    size_t n = 0;
    int used;

    for (unsigned byte; sscanf(hex, "%2x%n", &byte, &used) == 1; hex += used)
        p[n++] = (uint8_t)byte;
    return n;
}

static void assert_hex(const void *p, const char *hex)
{
    uint8_t expected[200];
    size_t n = from_hex(hex, expected);

    cr_assert_eq(memcmp(p, expected, n), 0, "%s", hex);
}

// RFC 8448, 3: Simple 1-RTT Handshake.
static struct tls_records *rfc_8448(void)
{
    uint8_t client[32], server[32];

    cr_assert_eq(from_hex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
                          client), 32);
    cr_assert_eq(from_hex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
                          server), 32);
    struct tls_records *r = tls_records_from_secrets(TLS_AEAD_AES_128_GCM, client, server);
    cr_assert_not_null(r);
    return r;
}

Test(record_open, keys_follow_from_secrets_as_in_rfc_8448)
{
    struct tls_records *r = rfc_8448();

    assert_hex(tls_records_sending(r)->key, "9f02283b6c9c07efc26bb9f2ac92e356");
    assert_hex(tls_records_sending(r)->iv, "cf782b88dd83549aadf1e984");
    assert_hex(tls_records_receiving(r)->key, "17422dda596ed5d9acd890e3c63f5051");
    assert_hex(tls_records_receiving(r)->iv, "5b78923dee08579033e523d9");
    tls_records_free(r);
}

Test(record_open, records_of_rfc_8448_are_opened)
{
    struct tls_records *r = rfc_8448();
    uint8_t record[200];
    size_t n = from_hex("1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5"
                        "b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4"
                        "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3", record);

    cr_assert_eq(open_all(r, (char *)record, n, n, &out), TLS_OPENED_CLOSED);
    cr_assert_eq(out.n, 50);
    for (int i = 0; i < 50; i++)
        cr_assert_eq(out.data[i], i);
    tls_records_free(r);
}

Test(record_open, records_of_rfc_8448_are_sealed)
{
    struct tls_records *r = rfc_8448();
    char bytes[50];
    size_t len;

    for (int i = 0; i < 50; i++)
        bytes[i] = (char)i;
    r->sending.traffic.seq = 1; // its ticket was the first
    cr_assert_eq(tls_records_seal(r, bytes, sizeof(bytes), TLS_RECORD_MAX, sealed, &len), 0);
    cr_assert_eq(len, 72);
    assert_hex(sealed, "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d"
                       "90e6dffc602dcb501a59a8fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d");
    cr_assert_eq(tls_records_alert(r, TLS_ALERT_WARNING, TLS_CLOSE_NOTIFY, sealed, &len), 0);
    cr_assert_eq(len, 24);
    assert_hex(sealed, "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9");
    tls_records_free(r);
}

// One record with this inside; the layer's verdict, and its alert in out.alert.
static enum tls_opened verdict(const char *inner, size_t n)
{
    struct tls_records *client, *server = pair_of_layers(TLS_AEAD_AES_128_GCM, &client);
    size_t len = craft(&client->sending, 3, inner, n, sealed);

    out.n = 0;
    enum tls_opened result = open_all(server, sealed, len, len, &out);
    if (result != TLS_OPENED_MORE) {
        out.records = 0;
        uint8_t alert = out.alert;
        len = craft(&client->sending, 3, "x\x17", 2, sealed);
        cr_assert_eq(open_all(server, sealed, len, len, &out), result, "it is for good");
        cr_assert_eq(out.records, 0);
        cr_assert_eq(out.alert, alert);
    }
    tls_records_free(server);
    tls_records_free(client);
    return result;
}

static void assert_alert(const char *inner, size_t n, uint8_t alert)
{
    cr_assert_eq(verdict(inner, n), TLS_OPENED_BAD);
    cr_assert_eq(out.alert, alert);
    cr_assert_eq(out.n, 0);
}

Test(record_open, an_inside_of_zeros_alone_is_unexpected)
{
    static char zeros[TLS_RECORD_MAX + 1];

    assert_alert(zeros, 1, TLS_UNEXPECTED_MESSAGE);
    assert_alert(zeros, 2, TLS_UNEXPECTED_MESSAGE);
    assert_alert(zeros, sizeof(zeros), TLS_UNEXPECTED_MESSAGE);
}

Test(record_open, padding_is_taken_off)
{
    static char inner[TLS_RECORD_MAX + 1] = "hello\x17";

    cr_assert_eq(verdict(inner, 6), TLS_OPENED_MORE);
    cr_assert_eq(out.n, 5);
    cr_assert_eq(verdict(inner, 7), TLS_OPENED_MORE);
    cr_assert_eq(out.n, 5);
    cr_assert_eq(verdict(inner, sizeof(inner)), TLS_OPENED_MORE);
    cr_assert_eq(out.n, 5);
    cr_assert_eq(memcmp(out.data, "hello", 5), 0);
    cr_assert_eq(verdict("a\0b\0\x17\0", 6), TLS_OPENED_MORE);
    cr_assert_eq(out.n, 4, "zeros of the content stay");
}

Test(record_open, an_inside_of_full_size_and_not_one_byte_more)
{
    static char inner[TLS_RECORD_MAX + 300];

    memset(inner, 'a', TLS_RECORD_MAX);
    inner[TLS_RECORD_MAX] = 23;
    cr_assert_eq(verdict(inner, TLS_RECORD_MAX + 1), TLS_OPENED_MORE);
    cr_assert_eq(out.n, TLS_RECORD_MAX);
    assert_alert(inner, TLS_RECORD_MAX + 2, TLS_RECORD_OVERFLOW);
    assert_alert(inner, TLS_RECORD_MAX + 256 - TLS_TAG, TLS_RECORD_OVERFLOW);
    assert_alert(inner, TLS_RECORD_MAX + 257, TLS_RECORD_OVERFLOW);
}

Test(record_open, types_and_messages_that_do_not_belong_here)
{
    assert_alert("\x01\x14", 2, TLS_UNEXPECTED_MESSAGE);             // change_cipher_spec, sealed
    assert_alert("x\x18", 2, TLS_UNEXPECTED_MESSAGE);                // heartbeat
    assert_alert("x\xff", 2, TLS_UNEXPECTED_MESSAGE);
    assert_alert("\x16", 1, TLS_UNEXPECTED_MESSAGE);                 // no message at all
    assert_alert("\x15", 1, TLS_UNEXPECTED_MESSAGE);
    assert_alert("\x02\x15", 2, TLS_UNEXPECTED_MESSAGE);             // half an alert
    assert_alert("\x01\0\0\0\x16", 5, TLS_UNEXPECTED_MESSAGE);       // ClientHello
    assert_alert("\x14\0\0\0\x16", 5, TLS_UNEXPECTED_MESSAGE);       // Finished
    assert_alert("\x18\0\0\1\2\x16", 6, TLS_UNEXPECTED_MESSAGE);     // KeyUpdate of 2
    assert_alert("\x18\0\0\1\x16", 5, TLS_UNEXPECTED_MESSAGE);       // KeyUpdate in parts
    assert_alert("\x18\0\0\1\0\x18\0\0\1\0\x16", 11, TLS_UNEXPECTED_MESSAGE); // two of them
}

Test(record_open, alerts)
{
    cr_assert_eq(verdict("\1\0\x15", 3), TLS_OPENED_CLOSED);
    cr_assert_eq(verdict("\2\0\x15", 3), TLS_OPENED_CLOSED);
    cr_assert_eq(verdict("\2\x28\x15", 3), TLS_OPENED_ABORT);
    cr_assert_eq(out.alert, 0x28);
    cr_assert_eq(verdict("\1\x28\x15", 3), TLS_OPENED_ABORT, "TLS 1.3 knows no warnings");
    cr_assert_eq(verdict("\1\x5a\x15", 3), TLS_OPENED_MORE, "user_canceled");
}

// What needs no key at all: the header says enough.
static void assert_header(const char *header, uint8_t alert)
{
    for (size_t piece = 1; piece <= 5; piece += 4) {
        struct tls_records *client, *server = pair_of_layers(TLS_AEAD_CHACHA20_POLY1305, &client);
        cr_assert_eq(open_all(server, header, 5, piece, &out), TLS_OPENED_BAD);
        cr_assert_eq(out.alert, alert);
        cr_assert_eq(tls_records_receiving(server)->seq, 0);
        cr_assert_null(server->part);
        tls_records_free(server);
        tls_records_free(client);
    }
}

Test(record_open, bad_headers_are_refused_without_their_bodies)
{
    assert_header("\x14\3\3\0\1", TLS_UNEXPECTED_MESSAGE); // also one that says 1: too late for it
    assert_header("\x15\3\3\0\2", TLS_UNEXPECTED_MESSAGE);
    assert_header("\x16\3\3\0\5", TLS_UNEXPECTED_MESSAGE);
    assert_header("\x00\3\3\0\x20", TLS_UNEXPECTED_MESSAGE);
    assert_header("GET /", TLS_UNEXPECTED_MESSAGE);
    assert_header("\x17\3\3\xff\xff", TLS_RECORD_OVERFLOW);
    assert_header("\x17\3\3\x41\x01", TLS_RECORD_OVERFLOW); // 2^14 + 257
    assert_header("\x17\3\3\x40\x12", TLS_RECORD_OVERFLOW); // room for one byte of content too many
    assert_header("\x17\3\3\0\0", TLS_BAD_RECORD_MAC);
    assert_header("\x17\3\3\0\x10", TLS_BAD_RECORD_MAC);    // a tag around nothing
}

Test(record_open, the_version_is_part_of_what_the_tag_covers)
{
    struct tls_records *client, *server = pair_of_layers(TLS_AEAD_AES_128_GCM, &client);
    size_t len = craft(&client->sending, 1, "a\x17", 2, sealed);

    cr_assert_eq(open_all(server, sealed, len, len, &out), TLS_OPENED_MORE);
    cr_assert_eq(out.n, 1, "any version is ignored");
    len = craft(&client->sending, 3, "a\x17", 2, sealed);
    sealed[2] = 1;
    cr_assert_eq(open_all(server, sealed, len, len, &out), TLS_OPENED_BAD, "a changed one is not");
    cr_assert_eq(out.alert, TLS_BAD_RECORD_MAC);
    tls_records_free(server);
    tls_records_free(client);
}

Test(record_open, every_flipped_bit_of_a_record_is_noticed)
{
    char inner[10] = "something", record[64];

    inner[9] = 23;
    for (int aead = 0; aead < 3; aead++) {
        for (size_t bit = 24; bit < 8 * (5 + 10 + 16); bit++) {
            struct tls_records *client, *server = pair_of_layers((enum tls_aead)aead, &client);
            size_t len = craft(&client->sending, 3, inner, sizeof(inner), record);
            record[bit / 8] ^= (char)(1 << bit % 8);
            enum tls_opened result = open_all(server, record, len, len, &out);
            if (bit < 40) // a longer record waits for its rest
                cr_assert(result == TLS_OPENED_BAD || result == TLS_OPENED_MORE);
            else
                cr_assert(result == TLS_OPENED_BAD && out.alert == TLS_BAD_RECORD_MAC);
            cr_assert_eq(out.n, 0);
            tls_records_free(server);
            tls_records_free(client);
        }
    }
}

Test(record_open, a_record_twice_or_out_of_order_is_bad)
{
    struct tls_records *client, *server = pair_of_layers(TLS_AEAD_AES_256_GCM, &client);
    size_t len = craft(&client->sending, 3, "a\x17", 2, sealed);

    cr_assert_eq(open_all(server, sealed, len, len, &out), TLS_OPENED_MORE);
    cr_assert_eq(open_all(server, sealed, len, len, &out), TLS_OPENED_BAD);
    tls_records_free(server);
    tls_records_free(client);
    server = pair_of_layers(TLS_AEAD_AES_256_GCM, &client);
    client->sending.traffic.seq = 1;
    len = craft(&client->sending, 3, "a\x17", 2, sealed);
    cr_assert_eq(open_all(server, sealed, len, len, &out), TLS_OPENED_BAD);
    tls_records_free(server);
    tls_records_free(client);
}

// `n` records with this inside, then one with data.
static enum tls_opened flood(const char *inner, size_t size, unsigned n)
{
    struct tls_records *client, *server = pair_of_layers(TLS_AEAD_AES_128_GCM, &client);
    enum tls_opened result = TLS_OPENED_MORE;

    out.n = 0;
    for (unsigned i = 0; i < n && result == TLS_OPENED_MORE; i++) {
        size_t len = craft(&client->sending, 3, inner, size, sealed);
        result = open_all(server, sealed, len, len, &out);
        if (inner[0] == 24)
            cr_assert_eq(tls_records_update_sending(client), 0);
    }
    if (result == TLS_OPENED_MORE) {
        size_t len = craft(&client->sending, 3, "a\x17", 2, sealed);
        result = open_all(server, sealed, len, len, &out);
        cr_assert_eq(out.n, 1);
        cr_assert_eq(server->idle, 0, "the count begins anew");
    }
    tls_records_free(server);
    tls_records_free(client);
    return result;
}

Test(record_open, what_brings_nothing_may_come_so_often_in_a_row)
{
    static const struct {
        const char *inner;
        size_t n;
    } idle[] = {{"\x17", 1}, {"\x17\0\0", 3}, {"\1\x5a\x15", 3},
                {"\x18\0\0\1\0\x16", 6}, {"\x18\0\0\1\1\x16", 6}};

    for (size_t i = 0; i < array_len(idle); i++) {
        cr_assert_eq(flood(idle[i].inner, idle[i].n, TLS_IDLE_RECORDS_MAX), TLS_OPENED_MORE);
        cr_assert_eq(flood(idle[i].inner, idle[i].n, TLS_IDLE_RECORDS_MAX + 1), TLS_OPENED_BAD);
        cr_assert_eq(out.alert, TLS_UNEXPECTED_MESSAGE);
        cr_assert_eq(out.n, 0);
    }
}

Test(record_open, a_key_seals_no_more_than_the_rfc_allows)
{
    struct tls_records *client, *server = pair_of_layers(TLS_AEAD_AES_128_GCM, &client);
    size_t len;

    server->sending.traffic.seq = client->receiving.traffic.seq = TLS_UPDATE_AFTER - 1;
    cr_assert_eq(tls_records_seal(server, "a", 1, 1, sealed, &len), 0);
    cr_assert_eq(len, 23);
    cr_assert_eq(open_all(client, sealed, len, len, &out), TLS_OPENED_MORE);
    cr_assert_eq(tls_records_seal(server, "b", 1, 1, sealed, &len), 0);
    cr_assert_eq(len, 27 + 23, "a KeyUpdate goes first");
    cr_assert_eq(open_all(client, sealed, len, len, &out), TLS_OPENED_MORE);
    cr_assert_eq(out.n, 2);
    cr_assert_eq(tls_records_sending(server)->seq, 1);
    cr_assert_not(tls_records_owes_update(client), "none is asked of the client");

    // More records in one call than the key is good for.
    server->sending.traffic.seq = TLS_KEY_RECORDS_MAX - 1;
    server->update_after = UINT64_MAX;
    cr_assert_eq(tls_records_seal(server, "cd", 2, 1, sealed, &len), -EIO);
    cr_assert_eq(len, 0);
    cr_assert_eq(tls_records_seal(server, "e", 1, 1, sealed, &len), -EIO, "it is for good");
    cr_assert_eq(tls_records_alert(server, 2, 80, sealed, &len), -EIO);
    cr_assert_eq(tls_records_update_sending(server), -EIO, "of the secret nothing is left");
    tls_records_free(server);
    tls_records_free(client);
}

Test(record_open, the_last_sequence_number_is_never_used)
{
    struct tls_records *client, *server = pair_of_layers(TLS_AEAD_AES_128_GCM, &client);

    server->receiving.traffic.seq = client->sending.traffic.seq = UINT64_MAX - 1;
    size_t len = craft(&client->sending, 3, "a\x17", 2, sealed);
    cr_assert_eq(open_all(server, sealed, len, len, &out), TLS_OPENED_MORE);
    len = craft(&client->sending, 3, "a\x17", 2, sealed);
    cr_assert_eq(open_all(server, sealed, len, len, &out), TLS_OPENED_BAD);
    cr_assert_eq(out.alert, TLS_INTERNAL_ERROR);
    tls_records_free(server);
    tls_records_free(client);
}

Test(record_open, nonces_use_all_eight_bytes_of_the_sequence_number)
{
    struct tls_records *client, *server = pair_of_layers(TLS_AEAD_AES_128_GCM, &client);

    for (int shift = 0; shift < 64; shift += 8) {
        client->sending.traffic.seq = (uint64_t)1 << shift;
        server->receiving.traffic.seq = (uint64_t)1 << shift;
        size_t len = craft(&client->sending, 3, "a\x17", 2, sealed);
        cr_assert_eq(open_all(server, sealed, len, len, &out), TLS_OPENED_MORE);
        client->sending.traffic.seq = (uint64_t)1 << shift;
        server->receiving.traffic.seq = 0;
        len = craft(&client->sending, 3, "a\x17", 2, sealed);
        server->state = TLS_OPENED_MORE;
        cr_assert_eq(open_all(server, sealed, len, len, &out), TLS_OPENED_BAD);
        server->state = TLS_OPENED_MORE;
    }
    tls_records_free(server);
    tls_records_free(client);
}
